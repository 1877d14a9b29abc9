"""A demo's folder: runs are numbered, progress is replaced atomically, the right run resumes."""

import os

import pytest
from msgspec.structs import replace

from gateway.demo.run_folder import (
    PROGRESS,
    DemoFolderError,
    Progress,
    RunFolder,
    choose_run,
    next_run,
    runs,
)

REQUESTED = Progress(match="wc22-64", seed=1, bettors=60, markets=15, beside=4, slips=0.6)


def test_progress_is_loaded_as_it_was_saved(tmp_path):
    folder = RunFolder(tmp_path / "run-0001")
    progress = replace(REQUESTED, played_s=1234.5, killed=True, starts=3)
    folder.save(progress)
    assert folder.load() == progress
    folder.save(replace(progress, closed=True))
    assert folder.load().closed
    assert os.listdir(folder.path) == [PROGRESS]


def test_run_of_before_there_were_slips_has_none(tmp_path):
    old = b'{"layout":1,"match":"wc22-64","seed":1,"bettors":60,"markets":15,"played_s":7.0}'
    (tmp_path / PROGRESS).write_bytes(old)
    progress = RunFolder(tmp_path).load()
    assert (progress.beside, progress.slips, progress.played_s) == (0, 0.0, 7.0)


def test_interrupted_save_leaves_the_old_progress(tmp_path):
    folder = RunFolder(tmp_path / "run-0001")
    folder.save(REQUESTED)
    (folder.path / "demo.new").write_bytes(b'{"layout":1,"mat')
    assert folder.load() == REQUESTED


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"layout":2}', b"\xff\xfe", b'{"layout":1,"match":"x","more":1}'],
)
def test_damaged_progress_file_is_named(tmp_path, content):
    folder = RunFolder(tmp_path / "run-0001")
    folder.save(REQUESTED)
    (folder.path / PROGRESS).write_bytes(content)
    with pytest.raises(DemoFolderError, match=r"run-0001/demo\.json"):
        folder.load()


def test_missing_progress_file_is_named(tmp_path):
    with pytest.raises(DemoFolderError, match=r"demo\.json: No such file"):
        RunFolder(tmp_path).load()


def test_the_first_run_is_number_one_and_numbers_rise(tmp_path):
    folder, progress = choose_run(tmp_path / "demo", REQUESTED, resume=False)
    assert folder.path.name == "run-0001"
    assert progress == REQUESTED
    folder.save(replace(REQUESTED, closed=True))
    assert next_run(tmp_path / "demo").path.name == "run-0002"


def test_unfinished_run_of_the_same_kind_is_resumed(tmp_path):
    stopped = replace(REQUESTED, played_s=600.0, starts=1)
    RunFolder(tmp_path / "run-0001").save(stopped)
    folder, progress = choose_run(tmp_path, REQUESTED, resume=False)
    assert (folder.path.name, progress) == ("run-0001", stopped)


@pytest.mark.parametrize(
    "change",
    [
        {"match": "wc22-01"},
        {"seed": 2},
        {"bettors": 5},
        {"markets": 3},
        {"beside": 2},
        {"slips": 0.5},
    ],
)
def test_unfinished_run_of_another_kind_is_not_resumed(tmp_path, change):
    RunFolder(tmp_path / "run-0001").save(replace(REQUESTED, **change))
    folder, progress = choose_run(tmp_path, REQUESTED, resume=False)
    assert (folder.path.name, progress) == ("run-0002", REQUESTED)


def test_resume_takes_the_newest_run_whatever_it_is(tmp_path):
    other = replace(REQUESTED, match="wc22-01", closed=True)
    RunFolder(tmp_path / "run-0001").save(REQUESTED)
    RunFolder(tmp_path / "run-0007").save(other)
    folder, progress = choose_run(tmp_path, REQUESTED, resume=True)
    assert (folder.path.name, progress) == ("run-0007", other)
    assert [run.path.name for run in runs(tmp_path)] == ["run-0001", "run-0007"]


def test_resume_without_a_run_is_refused(tmp_path):
    with pytest.raises(DemoFolderError, match="no run to resume"):
        choose_run(tmp_path / "empty", REQUESTED, resume=True)


def test_runs_are_bounded(tmp_path):
    RunFolder(tmp_path / "run-9999").save(replace(REQUESTED, closed=True))
    with pytest.raises(DemoFolderError, match="at most 9999"):
        choose_run(tmp_path, REQUESTED, resume=False)


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoFolderError, match=r"demo\.json"):
        RunFolder(tmp_path / "file" / "run-0001").save(REQUESTED)
