"""TensorBoard's files, read back record by record."""

import sys

import pytest

from jaxconv.train.observers import Observer, Progress
from jaxconv.train.tensorboard import TensorBoard


def test_a_missing_library_is_named_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    for name in [name for name in sys.modules if name.startswith("tensorboardX.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(
        ModuleNotFoundError, match=r'pip install "jaxconv\[tensorboard\]"'
    ):
        TensorBoard(tmp_path)


def read(folder):
    """Return all events of a folder, file by file as they were begun."""
    from tensorboardX.proto.event_pb2 import Event

    events = []
    for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns):
        data, at = path.read_bytes(), 0
        while at < len(data):  # length, its checksum, the record, its checksum
            length = int.from_bytes(data[at : at + 8], "little")
            events.append(Event.FromString(data[at + 12 : at + 12 + length]))
            at += 16 + length
    return events


def scalars(events):
    return [
        (event.step, value.tag, pytest.approx(value.simple_value))
        for event in events
        for value in event.summary.value
    ]


@pytest.mark.extras
def test_the_scalars_stand_in_the_event_file(tmp_path):
    pytest.importorskip("tensorboardX")
    board = TensorBoard(tmp_path)
    assert isinstance(board, Observer)
    with board.running(100):
        board.started()
        board.progress(Progress(10, 0, 0.5, 0.75, 0.01, 1000.0))
        board.validation(20, 0.875)
        board.note("so")
        board.stopping(20)
    assert scalars(read(tmp_path / "tensorboard")) == [
        (10, "loss/train", 0.5),
        (10, "accuracy/train", 0.75),
        (10, "learning_rate", 0.01),
        (10, "images_per_second", 1000.0),
        (20, "accuracy/validation", 0.875),
    ]


@pytest.mark.extras
def test_a_resumed_run_hides_what_was_written_after_the_checkpoint(tmp_path):
    pytest.importorskip("tensorboardX")
    for total, done in ((100, 0), (200, 50)):
        board = TensorBoard(tmp_path)
        with board.running(total, done):
            board.validation(total, 0.875)
    starts = [
        event.step
        for event in read(tmp_path / "tensorboard")
        if event.HasField("session_log")
    ]
    assert starts == [51]


@pytest.mark.extras
def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    pytest.importorskip("tensorboardX")
    from tensorboardX import record_writer

    board = TensorBoard(tmp_path)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    match = r"tensorboard: what TensorBoard reads .*No space"
    with board.running(10), monkeypatch.context() as patch:
        patch.setattr(record_writer.RecordWriter, "write", refuse)
        with pytest.raises(OSError, match=match):
            board.validation(10, 0.5)
