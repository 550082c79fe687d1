"""Success rates with intervals, paired comparisons and pages, drawn from plain result files."""
