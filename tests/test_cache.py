"""The folder of compiled programs: the cache touches no other files and trusts no other user's."""

import os
import pwd
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import loader
from loader.portable.opencl import cache

KEYS = [f"{i:064x}" for i in range(6)]
DAY = 86400


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """The folder of a cache that has room for three programs of 900 bytes."""
    monkeypatch.setenv("LOADER_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "LIMIT", 3000)
    return tmp_path / "metal-recurrence" / "opencl"


def program(i):
    return bytes([i]) * 900


def put(folder, i, age):
    """Put the program i, as used `age` seconds ago."""
    cache.put(KEYS[i], program(i))
    os.utime(folder / KEYS[i], (time.time() - age,) * 2)


def kept(folder):
    return [KEYS.index(name) for name in sorted(os.listdir(folder)) if name in KEYS]


def test_the_longest_unused_go(programs):
    for i in range(5):
        put(programs, i, age=DAY - i)
    assert kept(programs) == [2, 3, 4] and cache.get(KEYS[0]) is None
    assert cache.get(KEYS[2]) == program(2)
    cache.put(KEYS[5], program(5))
    assert kept(programs) == [2, 4, 5]
    loader.clear_cache()
    assert os.listdir(programs) == []


def test_a_clock_set_back_evicts_what_was_there_before(programs):
    for i, age in enumerate([-2 * DAY, 10, -DAY]):
        put(programs, i, age)
    cache.put(KEYS[3], program(3))
    assert kept(programs) == [0, 1, 3]
    cache.put(KEYS[4], program(4))
    assert kept(programs) == [1, 3, 4]


def test_a_program_larger_than_all_the_cache_evicts_no_other(programs):
    put(programs, 0, age=DAY)
    cache.put(KEYS[1], bytes(4000))
    assert cache.get(KEYS[1]) is None and cache.get(KEYS[0]) == program(0)


def test_only_what_the_cache_wrote_is_removed(programs, tmp_path):
    for i in range(3):
        put(programs, i, age=DAY)
    others = [tmp_path / "notes", tmp_path / KEYS[0], programs / "notes", programs / f"{KEYS[0]}.txt"]
    for path in others:
        path.write_bytes(bytes(5000))
        os.utime(path, (0, 0))
    cache.put(KEYS[3], program(3))
    loader.clear_cache()
    assert kept(programs) == [] and all(path.stat().st_size == 5000 for path in others)


def test_files_of_writers_that_died_are_swept(programs):
    cache.put(KEYS[0], program(0))
    for name, age in (("0a1b", 2 * cache._STALE), ("0a2b", -2 * cache._STALE), ("1234-5678", DAY), ("0a3b", 10)):
        (programs / f"{KEYS[1]}.{name}").write_bytes(b"half")
        os.utime(programs / f"{KEYS[1]}.{name}", (time.time() - age,) * 2)
    cache.put(KEYS[2], program(2))
    assert sorted(os.listdir(programs)) == [KEYS[0], f"{KEYS[1]}.0a3b", KEYS[2]]


def test_entries_that_are_no_files_are_skipped(programs, tmp_path):
    put(programs, 0, age=DAY)
    victim = tmp_path / "victim"
    victim.write_bytes((programs / KEYS[0]).read_bytes())
    os.mkfifo(programs / KEYS[1])
    (programs / KEYS[2]).mkdir()
    (programs / KEYS[3]).symlink_to(victim)
    with open(programs / KEYS[4], "wb") as sparse:
        sparse.truncate(40 * 2**30)
    assert [cache.get(key) for key in KEYS] == [program(0)] + [None] * 5
    for i in (1, 2, 3, 4):
        cache.put(KEYS[i], program(i))
    assert cache.get(KEYS[3]) == program(3) and cache.get(KEYS[2]) is None
    assert victim.stat().st_size == 932
    loader.clear_cache()
    assert kept(programs) == [2]


def test_a_file_written_aside_follows_no_link(programs, tmp_path, monkeypatch):
    cache.put(KEYS[0], program(0))
    victim = tmp_path / "victim"
    victim.write_text("kept")
    monkeypatch.setattr(os, "urandom", bytes)
    (programs / f"{KEYS[1]}.{bytes(8).hex()}").symlink_to(victim)
    cache.put(KEYS[1], program(1))
    assert victim.read_text() == "kept"


def test_nobody_else_may_read_or_write(tmp_path, monkeypatch):
    base = tmp_path / "new" / "base"
    monkeypatch.setenv("LOADER_CACHE", str(base))
    before = os.umask(0)
    try:
        cache.put(KEYS[0], program(0))
    finally:
        os.umask(before)
    folders = [base.parent, base, base / "metal-recurrence", base / "metal-recurrence" / "opencl"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    assert stat.S_IMODE((folders[-1] / KEYS[0]).stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o703])
def test_a_folder_that_others_can_write_is_not_used(programs, mode):
    cache.put(KEYS[0], program(0))
    programs.chmod(mode)
    with pytest.warns(RuntimeWarning, match="others can write it, so compiled programs are not kept; chmod it to 700"):
        assert cache.get(KEYS[0]) is None
    cache.put(KEYS[1], program(1))
    loader.clear_cache()
    assert kept(programs) == [0]
    programs.chmod(0o755)
    assert cache.get(KEYS[0]) == program(0)


def test_a_program_that_others_can_write_is_not_loaded(programs):
    cache.put(KEYS[0], program(0))
    (programs / KEYS[0]).chmod(0o602)
    assert cache.get(KEYS[0]) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_another_user_wrote_is_not_loaded(programs):
    for i in range(2):
        cache.put(KEYS[i], program(i))
    os.chown(programs / KEYS[0], 12345, -1)
    assert cache.get(KEYS[0]) is None and cache.get(KEYS[1]) == program(1)
    os.chown(programs, 12345, -1)
    with pytest.warns(RuntimeWarning, match="belongs to another user"):
        assert cache.get(KEYS[1]) is None


def test_a_folder_that_is_a_link_is_not_used(programs, tmp_path):
    cache.put(KEYS[0], program(0))
    programs.rename(tmp_path / "elsewhere")
    programs.symlink_to(tmp_path / "elsewhere")
    assert cache.get(KEYS[0]) is None
    cache.put(KEYS[1], program(1))
    assert os.listdir(tmp_path / "elsewhere") == [KEYS[0]]


def test_where_the_folder_is(tmp_path, monkeypatch):
    home, below = tmp_path / "a home", "metal-recurrence/opencl"
    for name in ("LOADER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    assert cache.folder() == home / ".cache" / below
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.folder() == home / ".cache" / below
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder() == tmp_path / "xdg" / below
    monkeypatch.setenv("LOADER_CACHE", "~/x")
    assert cache.folder() == home / "x" / below


def test_a_user_without_a_home_keeps_nothing(monkeypatch):
    def unknown(user):
        raise KeyError(user)

    for name in ("LOADER_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert cache.folder() is None
    cache.put(KEYS[0], program(0))
    assert cache.get(KEYS[0]) is None
    loader.clear_cache()


def test_a_lock_is_held_by_one_and_leaves_nothing(programs):
    with cache.alone(KEYS[0]):
        assert os.listdir(programs) == [f"{KEYS[0]}.lock"]
        with cache.alone(KEYS[1]):
            pass
        cache.put(KEYS[0], program(0))
    assert os.listdir(programs) == [KEYS[0]]


def test_nobody_waits_for_a_lock_longer_than_patience(programs, monkeypatch):
    monkeypatch.setattr(cache, "_PATIENCE", 0.1)
    began = time.monotonic()
    with cache.alone(KEYS[0]), cache.alone(KEYS[0]):
        assert 0.1 <= time.monotonic() - began < 10
    assert os.listdir(programs) == []


def test_an_error_releases_the_lock(programs):
    with pytest.raises(ValueError, match="from inside"), cache.alone(KEYS[0]):
        raise ValueError("from inside")
    with cache.alone(KEYS[0]):
        assert os.listdir(programs) == [f"{KEYS[0]}.lock"]


def test_a_lock_follows_no_link_and_needs_no_folder(programs, tmp_path, monkeypatch):
    cache.put(KEYS[0], program(0))
    (programs / f"{KEYS[0]}.lock").symlink_to(tmp_path / "victim")
    os.mkfifo(programs / f"{KEYS[1]}.lock")
    (programs / f"{KEYS[2]}.lock").mkdir()
    for key in KEYS[:3]:
        with cache.alone(key):
            pass
    assert not (tmp_path / "victim").exists() and len(os.listdir(programs)) == 4
    monkeypatch.setenv("LOADER_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    with cache.alone(KEYS[0]):
        pass


HOLD = """
import sys, time
from loader.portable.opencl import cache
with cache.alone(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_holder_holds_no_lock_and_evicts_nothing(programs):
    for i in range(3):
        cache.put(KEYS[i], program(i))
    environment = {**os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", HOLD, KEYS[3]], stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout.readline() == b"held\n"
        found = []
        waiter = threading.Thread(target=lambda: found.append(_entered(KEYS[3])))
        waiter.start()
        waiter.join(timeout=0.3)
        assert waiter.is_alive() and not found
        holder.kill()
        waiter.join(timeout=10)
        assert found == [True] and kept(programs) == [0, 1, 2]
    (programs / f"{KEYS[4]}.lock").write_bytes(b"")
    os.utime(programs / f"{KEYS[4]}.lock", (time.time() - 2 * cache._STALE,) * 2)
    cache.put(KEYS[0], program(0))
    assert sorted(os.listdir(programs)) == KEYS[:3]


def _entered(key):
    with cache.alone(key):
        return True
