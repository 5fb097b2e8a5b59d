"""AGCN: inductive neighbours, the network without a graph, the exact shortcut, storage, bad input."""

import numpy as np
import pytest
import torch

from xmr_lib.data import PairedFeatures
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation import evaluate
from xmr_lib.methods.real_valued import AGCN
from xmr_lib.nn import graph_convolution

SMALL = {"k": 4, "width": 16, "d_common": 8, "epochs": 3, "batch_size": 32, "standardise": True}


def labelled(n=120, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.arange(n) % 3)
    centres = np.random.default_rng(99).normal(size=(3, 6)) * 2
    image = centres[classes] + noise * rng.normal(size=(n, 6))
    text = centres[classes][:, :4] + noise * rng.normal(size=(n, 4))
    return PairedFeatures(image.astype(np.float32), text.astype(np.float32), labels=np.eye(3)[classes])


@pytest.fixture(scope="module")
def fitted():
    return AGCN(**SMALL).fit(labelled(), labelled(60, seed=1))


def test_learns():
    test = labelled(60, seed=2)
    method = AGCN(**{**SMALL, "epochs": 10}).fit(labelled(), labelled(60, seed=1))
    report = evaluate(method, test, metrics=["MAP"])
    assert report.value("MAP") > 0.7 > report.chance["i2t"]["MAP"]


@pytest.mark.parametrize("neighbours", ["true", "random"])
def test_inductive_permuted_or_one_at_a_time(neighbours):
    method, test = AGCN(**SMALL, neighbours=neighbours).fit(labelled()), labelled(40, seed=2)
    order = np.random.default_rng(0).permutation(40)
    for encode, x in ((method.encode_image, test.image), (method.encode_text, test.text)):
        together = encode(x)
        np.testing.assert_allclose(encode(x[order]), together[order], atol=1e-6)
        np.testing.assert_allclose(np.concatenate([encode(x[i : i + 1]) for i in range(40)]), together, atol=1e-6)
    scores = method.similarity(test.image, test.text)
    moved = method.similarity(test.image[order], test.text[order])
    np.testing.assert_allclose(moved, scores[np.ix_(order, order)], atol=1e-6)


def test_encoding_test_items_leaves_the_stored_rows_alone(fitted):
    before = {key: value.clone() for key, value in fitted.model_.state_dict().items()}
    fitted.encode_image(labelled(50, seed=7).image)
    assert all(torch.equal(value, before[key]) for key, value in fitted.model_.state_dict().items())


def test_neighbours_matter(fitted):
    """A test item's embedding moves when its neighbours' training rows move, and with no other row."""
    tower = fitted.model_.image_tower
    x = torch.from_numpy(labelled(1, seed=3).image)
    with torch.no_grad():
        before, edges = tower(x), tower.graph.look_up(x)
        neighbours = edges.index[0].tolist()
        stranger = next(i for i in range(120) if i not in neighbours)
        for row, moves in ((neighbours[0], True), (stranger, False)):
            kept = tower.smooth[row].clone()
            tower.smooth[row] += 5
            assert torch.equal(tower(x), before) != moves
            tower.smooth[row] = kept


def test_without_neighbours_it_is_a_plain_network():
    method = AGCN(**{**SMALL, "k": 0}).fit(labelled())
    tower, x = method.model_.text_tower, torch.from_numpy(labelled(30, seed=2).text)
    with torch.no_grad():
        z = (x - tower.scaling.mean) * tower.scaling.scale
        h = torch.relu(tower.second(torch.relu(tower.first(z))))  # A_hat = I
        plain = torch.tanh(tower.output(torch.cat([torch.relu(tower.own(z)), h], dim=1)))
    np.testing.assert_allclose(method.encode_text(x.numpy()), plain.numpy(), atol=1e-6)


def test_the_batch_equals_two_dense_graph_convolutions(fitted):
    """Training rows by the definition H = ReLU(A_hat X W1), h = ReLU(A_hat H W2) on the whole graph."""
    tower, n = fitted.model_.image_tower, 120
    graph = tower.graph
    a_hat = torch.diag(graph.loop)
    a_hat[torch.arange(n)[:, None], graph.index] = graph.weight
    with torch.no_grad():
        x = tower.scaling(graph.rows)
        one = torch.ones(n, 1)

        def with_bias(layer):
            return torch.cat([layer.weight.T, layer.bias[None]])

        # the bias is added after mixing: append a column of ones that A_hat does not touch
        h = graph_convolution(torch.eye(n), torch.cat([a_hat @ x, one], 1), with_bias(tower.first))
        h = graph_convolution(torch.eye(n), torch.cat([a_hat @ h, one], 1), with_bias(tower.second))
        expected = torch.tanh(tower.output(torch.cat([torch.relu(tower.own(x)), h], 1)))
        items = torch.randperm(n)[:20]
        torch.testing.assert_close(tower(graph.rows[items], items), expected[items], atol=1e-5, rtol=0)


def test_a_training_item_is_not_its_own_neighbour(fitted):
    index = fitted.model_.image_tower.graph.index
    assert not (index == torch.arange(len(index))[:, None]).any()


def test_output_layer_is_one_object(fitted):
    assert fitted.model_.image_tower.output is fitted.model_.text_tower.output
    assert fitted.model_.image_tower.second is not fitted.model_.text_tower.second


def test_labels_and_partners_play_no_part_in_the_graph():
    train = labelled()
    order = np.random.default_rng(0).permutation(120)
    other = PairedFeatures(train.image, train.text[order], labels=train.labels[order])
    a, b = (AGCN(**SMALL).fit(data).model_.image_tower.graph for data in (train, other))
    assert torch.equal(a.index, b.index)
    assert torch.equal(a.weight, b.weight)


def test_captions_have_their_own_graph():
    """Two captions per image: the texts' graph has one node per caption."""
    one = labelled()
    two = PairedFeatures(one.image, np.repeat(one.text, 2, axis=0), np.repeat(np.arange(120), 2), labels=one.labels)
    method = AGCN(**SMALL).fit(two)
    assert method.model_.text_tower.graph.index.shape == (240, 4)
    assert method.encode_text(two.text).shape == (240, 8)


def test_all_terms_and_none():
    assert set(AGCN(**SMALL).fit(labelled()).history_.terms) == {"label", "invariance", "triplet", "modality"}
    assert set(AGCN(**SMALL, a=0, b=0, g=0).fit(labelled()).history_.terms) == {"label"}


def test_adversarial_term_moves_the_generator_the_other_way():
    method = AGCN(**SMALL)
    network = method.build(6, 4, 3)
    data = labelled(30)
    network.learn_scaling(data.image, data.text)
    network.eval()
    rows = torch.arange(30)
    batch = {"image": torch.from_numpy(data.image), "text": torch.from_numpy(data.text)}
    batch |= {"classes": torch.from_numpy(data.labels.argmax(1)), "image_index": rows, "text_index": rows}
    network(batch, "all", 1.0)["modality"].backward()
    weight, reversed_gradient = network.image_tower.first.weight, network.image_tower.first.weight.grad.clone()
    spot = reversed_gradient.abs().argmax()
    with torch.no_grad():
        weight.view(-1)[spot] += 1e-2
        up = network(batch, "all", 1.0)["modality"]
        weight.view(-1)[spot] -= 2e-2
        down = network(batch, "all", 1.0)["modality"]
    assert reversed_gradient.view(-1)[spot] == pytest.approx(-(up - down).item() / 2e-2, rel=0.05)


@pytest.mark.parametrize("neighbours", ["true", "random"])
def test_save_and_load(tmp_path, neighbours):
    method, test = AGCN(**SMALL, neighbours=neighbours).fit(labelled(), labelled(60, seed=1)), labelled(30, seed=2)
    method.save(tmp_path)
    again = AGCN.load(tmp_path)
    np.testing.assert_array_equal(again.similarity(test.image, test.text), method.similarity(test.image, test.text))
    assert again.history_ == method.history_


def test_same_seed_same_result():
    test = labelled(30, seed=2)
    a, b, c = (AGCN(**SMALL, dropout=0.2, seed=s).fit(labelled()).encode_image(test.image) for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c)


def test_bad_input(fitted):
    with pytest.raises(InvalidInput, match="smaller k"):
        AGCN(**{**SMALL, "k": 120}).fit(labelled())
    with pytest.raises(UnknownName, match="kind of neighbours"):
        AGCN(**SMALL, neighbours="nearby").fit(labelled())
    with pytest.raises(InvalidInput, match="same class"):
        AGCN(**SMALL).fit(PairedFeatures(np.ones((9, 6)), np.ones((9, 4)), labels=np.eye(3)[[0] * 9]))
    with pytest.raises(InvalidInput, match="shape"):
        fitted.encode_image(np.ones((3, 5)))
    with pytest.raises(InvalidInput, match="NaN"):
        fitted.encode_text(np.full((3, 4), np.nan))


def test_a_batch_of_one_class_is_no_accident():
    data = labelled(60)
    order = np.argsort(data.labels.argmax(1), kind="stable")
    method = AGCN(**{**SMALL, "batch_size": 20})
    method.shuffle = False
    method.fit(data.subset(order))
    assert np.isfinite(method.encode_image(data.image)).all()


def test_presets():
    for profile in ("smoke", "course", "paper"):
        AGCN(**AGCN.preset(profile))
    assert AGCN.preset("paper") == {}
