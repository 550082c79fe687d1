"""What a claim shows: tables and a picture, drawn from its results alone."""

from pathlib import Path

from dist2_robot.claims.picture import write_claim_picture
from dist2_robot.claims.results import ClaimResults
from dist2_robot.claims.tables import claim_tables
from dist2_robot.studies.table import as_markdown, as_text


def write_claim_page(results: ClaimResults, markdown: Path, picture: Path) -> str:
    """Write a page and its picture; return the page as text."""
    found = claim_tables(results)
    page = as_markdown(results.name, found)
    if write_claim_picture(results, picture):
        page += f"\n![{results.measures[0].name} of every method]({picture.name})\n"
    markdown.write_text(page)
    return as_text(results.name, found)
