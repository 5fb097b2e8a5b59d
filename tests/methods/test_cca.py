"""CCA against its definition, an SVD reference, scikit-learn, cca_zoo, and the 2010 table on the real features."""

import numpy as np
import pytest
from sklearn.cross_decomposition import CCA as SklearnCCA

from xmr_lib.data import PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import DualEncoder
from xmr_lib.methods.subspace import CCA, CM, SCM, SM, cca, posterior, whitening_matrix


@pytest.fixture
def views():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 3))
    x = z @ rng.normal(size=(3, 7)) + 0.5 * rng.normal(size=(300, 7))
    y = z @ rng.normal(size=(3, 5)) + 0.5 * rng.normal(size=(300, 5))
    return x - x.mean(0), y - y.mean(0)


def labelled(n=120, seed=0):
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, n)
    centres = rng.normal(size=(3, 6)) * 3
    image = centres[classes] + rng.normal(size=(n, 6))
    text = centres[classes][:, :4] + rng.normal(size=(n, 4))
    return PairedFeatures(image, text, labels=np.eye(3)[classes])


def test_whitening_by_hand():
    # [[2, 1], [1, 2]] has eigenvalues 1 and 3 along (1, -1) and (1, 1)
    w = whitening_matrix(np.array([[2.0, 1.0], [1.0, 2.0]]))
    a, b = (1 + 1 / np.sqrt(3)) / 2, (1 / np.sqrt(3) - 1) / 2
    np.testing.assert_allclose(w, [[a, b], [b, a]], atol=1e-12)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_whitening_whitens(views, ridge):
    s = views[0].T @ views[0] / 300
    w = whitening_matrix(s, ridge)
    np.testing.assert_allclose(w @ (s + ridge * np.trace(s) / 7 * np.eye(7)) @ w, np.eye(7), atol=1e-8)


def test_whitening_of_a_flat_direction_is_zero_not_infinite():
    w = whitening_matrix(np.diag([1.0, 0.0]))
    np.testing.assert_allclose(w, np.diag([1.0, 0.0]))


def test_variates_are_white_and_correlate_as_said(views):
    x, y = views
    wx, wy, rho = cca(x, y, 5)
    a, b = x @ wx, y @ wy
    np.testing.assert_allclose(a.T @ a / 300, np.eye(5), atol=1e-8)
    np.testing.assert_allclose(b.T @ b / 300, np.eye(5), atol=1e-8)
    np.testing.assert_allclose(a.T @ b / 300, np.diag(rho), atol=1e-8)
    assert (np.diff(rho) <= 1e-12).all()


def test_correlations_equal_the_qr_svd_reference(views):
    """Bjoerck and Golub (1973): the correlations are the singular values of Q_x' Q_y."""
    x, y = views
    reference = np.linalg.svd(np.linalg.qr(x)[0].T @ np.linalg.qr(y)[0], compute_uv=False)
    np.testing.assert_allclose(cca(x, y, 5)[2], reference, atol=1e-8)


def test_first_direction_equals_scikit_learn(views):
    x, y = views
    a, b = SklearnCCA(1, max_iter=5000, tol=1e-12).fit_transform(x, y)
    assert np.corrcoef(a[:, 0], b[:, 0])[0, 1] == pytest.approx(cca(x, y, 1)[2][0], abs=1e-6)


def test_all_directions_equal_cca_zoo(views):
    zoo = pytest.importorskip("cca_zoo.linear")
    x, y = views
    model = zoo.CCA(n_components=3).fit([x, y])
    ours = CCA(3, ridge=0.0).fit(PairedFeatures(x, y))
    for theirs, mine in zip(model.transform([x, y]), (ours.encode_image(x), ours.encode_text(y)), strict=True):
        for k in range(3):
            assert abs(np.corrcoef(np.asarray(theirs)[:, k], mine[:, k])[0, 1]) == pytest.approx(1.0, abs=1e-3)


def test_invariant_to_an_invertible_map_without_ridge(views):
    x, y = views
    mixing = np.random.default_rng(1).normal(size=(7, 7))
    np.testing.assert_allclose(cca(x, y, 5)[2], cca(x @ mixing, y, 5)[2], atol=1e-8)


def test_class_equals_function_and_scores_pairs_highest(views):
    x, y = views
    data = PairedFeatures(x + 3.0, y - 2.0)
    model = CCA(3, ridge=0.0).fit(data)
    np.testing.assert_allclose(model.correlations_, cca(x, y, 3)[2], atol=1e-10)
    similarity = model.similarity(data.image, data.text)
    assert similarity.shape == (300, 300)
    assert np.abs(similarity).max() <= 1 + 1e-9
    assert np.diag(similarity).mean() > similarity.mean() + 0.5


def test_several_captions_per_image_equal_repeated_images(views):
    x, y = views
    several = PairedFeatures(x[:150], y, caption_image=np.repeat(np.arange(150), 2))
    flat = PairedFeatures(np.repeat(x[:150], 2, axis=0), y)
    np.testing.assert_allclose(CCA(3).fit(several).correlations_, CCA(3).fit(flat).correlations_, atol=1e-10)


def test_power_weights_directions_by_their_correlation(views):
    x, y = views
    data = PairedFeatures(x, y)
    plain, weighted = CCA(3).fit(data), CCA(3, correlation_power=2.0).fit(data)
    np.testing.assert_allclose(weighted.encode_image(x), plain.encode_image(x) * plain.correlations_**2, atol=1e-10)


def test_parameters_are_only_stored():
    model = CCA(n_components=5, ridge=0.1)
    assert model.get_params() == {"n_components": 5, "ridge": 0.1, "correlation_power": 0.0}
    assert isinstance(model, DualEncoder)
    assert "CCA(n_components=5" in repr(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (CCA(6), "n_components=5 or less"),
        (CCA(0), "at least 1"),
        (CCA(-3), "at least 1"),
        (CCA(3, ridge=-1.0), "ridge must be 0 or more"),
    ],
)
def test_bad_parameters(views, model, message):
    with pytest.raises(InvalidInput, match=message):
        model.fit(PairedFeatures(*views))


def test_bad_use(views):
    x, y = views
    with pytest.raises(InvalidInput, match="not fitted yet"):
        CCA(3).encode_image(x)
    with pytest.raises(InvalidInput, match=r"shape \(rows, 7\)"):
        CCA(3).fit(PairedFeatures(x, y)).encode_image(y)
    with pytest.raises(InvalidInput, match="at least 2 image-text pairs"):
        CCA(1).fit(PairedFeatures(x[:1], y[:1]))
    with pytest.raises(InvalidInput, match="hold NaN"):
        PairedFeatures(np.where(x > 2, np.nan, x), y)


def test_posterior_by_hand():
    weights, bias = np.array([[1.0], [-1.0]]), np.zeros(2)
    p = posterior(np.array([[0.0], [np.log(2) / 2]]), weights, bias)
    np.testing.assert_allclose(p, [[0.5, 0.5], [2 / 3, 1 / 3]])
    assert np.isfinite(posterior(np.array([[1e4]]), weights, bias)).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_sm_equals_scikit_learn(classes):
    from sklearn.linear_model import LogisticRegression

    data = labelled()
    if classes == 2:
        kept = ~data.labels[:, 2]
        data = PairedFeatures(data.image[kept], data.text[kept], labels=data.labels[kept][:, :2])
    y = data.labels.argmax(1)
    reference = LogisticRegression(C=0.5, max_iter=2000).fit(data.image, y).predict_proba(data.image)
    model = SM(C=0.5, standardise=False).fit(data)
    np.testing.assert_allclose(model.encode_image(data.image), reference, atol=1e-6)


@pytest.mark.parametrize("method", [SM(), SCM(n_components=3)])
def test_semantic_methods(method):
    data = labelled()
    assert method.fit(data) is method
    for embedding in (method.encode_image(data.image), method.encode_text(data.text)):
        assert embedding.shape == (120, 3)
        np.testing.assert_allclose(embedding.sum(axis=1), 1.0)
    same_class = (data.labels.astype(int) @ data.labels.T.astype(int)) > 0
    similarity = method.similarity(data.image, data.text)
    assert similarity[same_class].mean() > similarity[~same_class].mean() + 0.2


@pytest.mark.parametrize("method", [SM(), SCM(n_components=3)])
def test_semantic_methods_bad_labels(method):
    data = labelled()
    with pytest.raises(InvalidInput, match="has none"):
        method.fit(PairedFeatures(data.image, data.text))
    with pytest.raises(InvalidInput, match="exactly one class per image"):
        method.fit(PairedFeatures(data.image, data.text, labels=np.ones((120, 3))))
    with pytest.raises(InvalidInput, match="same class"):
        method.fit(PairedFeatures(data.image, data.text, labels=np.tile([1, 0, 0], (120, 1))))


def test_same_data_same_result():
    data = labelled()
    a, b = (SCM(n_components=3).fit(data).similarity(data.image, data.text) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_cm_is_cca_with_the_papers_settings():
    assert CM().get_params() == {"n_components": 7, "ridge": 1e-3, "correlation_power": 0.0}
