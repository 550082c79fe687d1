"""Draw docs/results/claim_*.md and .png, and docs/claims.md, from docs/results/claim_*.json.

After ``dist2-study study=claim_numbers output=studies/claim_numbers``, copy its results.json to
``docs/results/claim_numbers.json`` and run this.
"""

from pathlib import Path

from dist2_robot.claims.overview import overview
from dist2_robot.claims.page import write_claim_page
from dist2_robot.claims.results import read_claim

DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Draw all pages."""
    claims = []
    for path in sorted(DOCS.glob("results/claim_*.json")):
        claims.append(read_claim(path))
        write_claim_page(claims[-1], path.with_suffix(".md"), path.with_suffix(".png"))
    (DOCS / "claims.md").write_text(overview(claims))
    print(f"{len(claims)} claims: {DOCS / 'claims.md'}")


if __name__ == "__main__":
    main()
