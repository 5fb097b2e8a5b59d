"""The feature cache: never half a file, never two builders, never damaged features."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from xmr_lib.encoders.cache import FeatureCache

KEY = {"data": "toy-1", "encoder": "ones"}


def ones() -> dict[str, np.ndarray]:
    return {"features": np.ones((4, 3), np.float32)}


def forbidden() -> dict[str, np.ndarray]:
    raise AssertionError("the features were built again although they are in the cache")


def test_built_once_then_read(tmp_path):
    cache = FeatureCache(tmp_path)
    assert not cache.has(KEY)
    first = cache.get(KEY, ones)["features"]
    second = cache.get(KEY, forbidden)["features"]
    np.testing.assert_array_equal(first, second)
    assert cache.has(KEY)


def test_other_key_other_file(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.get(KEY, ones)
    other = cache.get({**KEY, "encoder": "twos"}, lambda: {"features": np.full((4, 3), 2.0)})
    assert other["features"][0, 0] == 2.0


@pytest.mark.parametrize("keep", [0, 8, 100, -1])
def test_truncated_file_is_rebuilt(tmp_path, keep):
    cache = FeatureCache(tmp_path)
    cache.get(KEY, ones)
    path = cache.path(KEY)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.warns(UserWarning, match="damaged"):
        again = cache.get(KEY, ones)["features"]
    np.testing.assert_array_equal(again, 1.0)
    np.testing.assert_array_equal(cache.get(KEY, forbidden)["features"], 1.0)


def test_flipped_bit_is_noticed(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.get(KEY, ones)
    path = cache.path(KEY)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert not cache.has(KEY)
    with pytest.warns(UserWarning, match="damaged"):
        np.testing.assert_array_equal(cache.get(KEY, ones)["features"], 1.0)


def test_failing_build_leaves_nothing(tmp_path):
    cache = FeatureCache(tmp_path)
    with pytest.raises(RuntimeError, match="half-way"):
        cache.get(KEY, lambda: (_ for _ in ()).throw(RuntimeError("half-way")))
    assert not cache.path(KEY).exists()
    np.testing.assert_array_equal(cache.get(KEY, ones)["features"], 1.0)


SLOW_BUILD = """
    import sys, time
    import numpy as np
    from pathlib import Path
    from xmr_lib.encoders.cache import FeatureCache

    def build():
        Path(sys.argv[1], "started").touch()
        time.sleep(60)
        return {"features": np.ones((4, 3), np.float32)}

    FeatureCache(Path(sys.argv[1])).get({"data": "toy-1", "encoder": "ones"}, build)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX kill signal")
def test_killed_build_leaves_no_broken_cache(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(SLOW_BUILD), str(tmp_path)])
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    cache = FeatureCache(tmp_path)
    assert not cache.has(KEY)
    np.testing.assert_array_equal(cache.get(KEY, ones)["features"], 1.0)  # the lock of the dead process is free


COUNTING_BUILD = """
    import sys, time
    import numpy as np
    from pathlib import Path
    from xmr_lib.encoders.cache import FeatureCache

    def build():
        print("built", flush=True)
        time.sleep(1)
        return {"features": np.ones((4, 3), np.float32)}

    FeatureCache(Path(sys.argv[1])).get({"data": "toy-1", "encoder": "ones"}, build)
"""


def test_two_processes_build_once(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(COUNTING_BUILD), str(tmp_path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert "".join(outputs).count("built") == 1
