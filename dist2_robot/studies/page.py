"""What a study shows: tables and a picture, drawn from results.json alone."""

from pathlib import Path

from dist2_robot.files import write_text
from dist2_robot.studies.curve_picture import write_curves
from dist2_robot.studies.curve_table import curve_tables, varies_demonstrations
from dist2_robot.studies.picture import write_picture
from dist2_robot.studies.results import StudyResults
from dist2_robot.studies.table import as_markdown, as_text, tables


def write_page(results: StudyResults, output: Path) -> str:
    """Write table.md, table.txt and results.png; return the text."""
    is_curve = varies_demonstrations(results)
    found = curve_tables(results) if is_curve else tables(results)
    text = as_text(results.name, found)
    write_text(output / "table.md", as_markdown(results.name, found))
    write_text(output / "table.txt", text)
    (write_curves if is_curve else write_picture)(results, output)
    return text
