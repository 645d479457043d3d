"""What is read of a run, and where its time went."""

import pytest

from jaxconv.train.page.record import read_record
from tests.train.page.runs import LINES, folder_of, progress, validation


def test_times_are_taken_apart(tmp_path):
    times = read_record(folder_of(tmp_path)).times
    assert times.compilation == 2.0
    assert times.validation == pytest.approx(0.5)  # 2.7 seconds after, 2.2 before
    assert times.training == pytest.approx(0.3)
    assert times.batch == pytest.approx(0.01)
    assert times.images_per_second == 1000.0


def test_batches_before_a_validation_are_no_validation(tmp_path):
    lines = [progress(10), progress(20), validation(25)]
    times = read_record(folder_of(tmp_path, lines)).times
    assert times.validation == pytest.approx(0.5)


def test_lines_are_of_training_or_of_validation(tmp_path):
    record = read_record(folder_of(tmp_path))
    assert [line["step"] for line in record.training] == [10, 20, 30]
    assert [line["step"] for line in record.validations] == [20]
    assert record.settings["epochs"] == 1


def test_a_run_without_figures_has_no_times(tmp_path):
    folder = folder_of(tmp_path, LINES)
    (folder / "metrics.jsonl").unlink()
    record = read_record(folder)
    assert record.training == []
    assert record.times == (0.0, 0.0, 0.0, None, None)
