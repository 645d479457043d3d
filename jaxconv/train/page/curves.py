"""Loss, accuracy, learning rate and speed over the batches of a run."""

from jaxconv.train.page.charts import Line, chart
from jaxconv.train.page.markup import Section, element, section
from jaxconv.train.page.record import Record


def curves_section(record: Record) -> Section:
    """Draw the loss, the accuracies, the learning rate and the speed over the steps."""
    lines, validations = record.training, record.validations
    if not lines and not validations:
        return section(
            "Curves", name="curves", intro="The run has recorded no metrics."
        )
    last = max(line["step"] for line in (*lines, *validations))

    def trained(name: str, key: str, kind: str, raw: bool = True) -> Line:
        steps = [line["step"] for line in lines]
        return Line(name, kind, steps, [line.get(key) for line in lines], raw=raw)

    validated = Line(
        "validation",
        "validation",
        [line["step"] for line in validations],
        [line["validation_accuracy"] for line in validations],
        dots=True,
    )
    speed = trained("training", "images_per_second", "plain")
    speed = speed._replace(values=[value or None for value in speed.values])
    charts = (
        chart("Loss", [trained("training", "loss", "training")], last=last, log=True),
        chart(
            "Accuracy",
            [trained("training", "accuracy", "training"), validated],
            last=last,
            percent=True,
        ),
        chart(
            "Learning rate",
            [trained("learning rate", "learning_rate", "plain", raw=False)],
            last=last,
            from_zero=True,
        ),
        chart(
            "Images a second",
            [speed],
            last=last,
            from_zero=True,
        ),
    )
    return section(
        "Curves",
        element("div", *charts, class_="charts"),
        name="curves",
        intro="Over the batches. Training metrics are means over ten batches: the "
        "faint line shows them, the strong line is their moving mean.",
    )
