"""What the page holds, and what it must never hold."""

import json
from html.parser import HTMLParser

import imageio.v3 as imageio
import numpy as np
import pytest

from dist2_robot.errors import InputError
from dist2_robot.evaluation.filmstrip import write_filmstrip
from dist2_robot.evaluation.picture import write_picture
from dist2_robot.evaluation.report import write_report
from dist2_robot.evaluation.run_files import load_run
from tests.evaluation.synthetic_runs import make_frames

HOSTILE = """</title><script>alert(1)</script><img src=http://evil.example/x onerror='x()'>"$\\frac{$--&amp;"""


class Page(HTMLParser):
    """The tags and attributes that a browser would see."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


def test_the_page_holds_every_section_and_loads_nothing(write_run, tmp_path):
    runs = [load_run(write_run("cross-entropy", 0.6, 0.0, 1)), load_run(write_run("dist2", 0.84, 2.0, 2))]
    text = write_report(runs, tmp_path / "new" / "report.html").read_text()
    page = Page(text)
    for heading in (
        "Success",
        "What was asked for",
        "Learning",
        "Held-out action error",
        "Episodes",
        "How it was made",
    ):
        assert f"<h2>{heading}" in text
    assert page.tags.count("svg") == 2 + 3 + 2 + 4 * 2
    assert page.tags.count("img") == page.tags.count("video") == 4
    links = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "srcset", "poster")]
    assert all(link.startswith(("data:image/png;base64,", "data:video/mp4;base64,", "#")) for link in links)
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert {"script", "link", "iframe", "object"}.isdisjoint(page.tags)
    for what in ("McNemar", "0a1b2c3", "local/pick_place", "1 h 15 min", "temperature", "p &lt; 0.001"):
        assert what in text


def test_a_hostile_name_is_text_and_nothing_else(write_run, tmp_path):
    runs = [load_run(write_run("plain", seed=1)), load_run(write_run(HOSTILE, seed=2))]
    text = write_report(runs, tmp_path / "report.html").read_text()
    page = Page(text)
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<img src=http" not in text
    write_picture(runs, tmp_path / "picture.png")


@pytest.mark.parametrize("kept", ["config.json", "metrics.jsonl", "examples.json", "summary.json", "eval/results.json"])
def test_whatever_is_missing_is_left_out(write_run, tmp_path, kept):
    run = write_run("half")
    for name in ("config.json", "metrics.jsonl", "examples.json", "summary.json", "eval/results.json"):
        if name != kept:
            (run / name).unlink()
    text = write_report([load_run(run)], tmp_path / "report.html").read_text()
    assert ("<h2>Success" in text) == (kept == "eval/results.json")
    assert ("<h2>Learning" in text) == (kept == "metrics.jsonl")
    assert ("<h2>What was asked for" in text) == (kept == "examples.json")


def test_runs_that_cannot_be_paired_share_a_page_that_says_so(write_run, tmp_path):
    folders = [write_run("a", seed=1), write_run("b", seed=2)]
    results = json.loads((folders[1] / "eval" / "results.json").read_text())
    results["task"] = "Lift-v0"
    (folders[1] / "eval" / "results.json").write_text(json.dumps(results))
    text = write_report([load_run(folder) for folder in folders], tmp_path / "report.html").read_text()
    assert "cannot be paired" in text
    assert "points [" not in text


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no results"):
        load_run(tmp_path)
    with pytest.raises(InputError, match="holds no results"):
        load_run(tmp_path / "absent")


def test_an_evaluation_folder_alone_is_enough(write_run):
    assert load_run(write_run("whole") / "eval").results["episodes"] == 50


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", "{", "not valid JSON"),
        ("config.json", "[]", "must hold a JSON dict"),
        ("examples.json", "[{}]", "example 0 lacks"),
        ("metrics.jsonl", '{"kind"\n{}\n', "line 1"),
        ("metrics.jsonl", "3\n", "line 1"),
        ("eval/results.json", '{"kind": "comparison"}', "is no evaluation"),
    ],
)
def test_a_broken_file_is_named(write_run, file, content, message):
    run = write_run("broken")
    (run / file).write_text(content)
    with pytest.raises(InputError, match=message) as refusal:
        load_run(run)
    assert file.split("/")[-1] in str(refusal.value)


@pytest.mark.parametrize("change", [{"predicted": [0.5, float("nan")]}, {"target": [1.0]}, {"target": [0.0, 0.0]}])
def test_an_example_that_is_no_distribution_is_refused(write_run, change):
    run = write_run("broken")
    example = {"dimension": "x", "unit": "m", "step": 0, "truth": 0.0, "decoded": 0.0, "values": [0.0, 1.0]}
    curves = {"target": [1.0, 0.0], "predicted": [0.5, 0.5]} | change
    (run / "examples.json").write_text(json.dumps([example | curves]))
    with pytest.raises(InputError, match="example 0"):
        load_run(run)


def test_half_a_last_line_is_ignored_and_a_repeated_step_counts_once(write_run):
    run = write_run("resumed")
    whole = load_run(run).series("train")
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "step": 50, "loss": 7.0}\n{"kind": "tr')
    resumed = load_run(run).series("train")
    assert len(resumed) == len(whole)
    assert resumed[1]["loss"] == 7.0


@pytest.mark.fault("S8")
@pytest.mark.parametrize("path", ["../config.json", "/etc/passwd", "../../outside.png", "results.json"])
def test_a_result_file_cannot_name_files_elsewhere(write_run, tmp_path, path):
    (tmp_path / "outside.png").write_bytes(b"secret")
    run = write_run("leak")
    results = json.loads((run / "eval" / "results.json").read_text())
    results["filmstrips"][0]["path"] = path
    (run / "eval" / "results.json").write_text(json.dumps(results))
    with pytest.raises(InputError, match="inside its folder"):
        write_report([load_run(run)], tmp_path / "report.html")


def test_a_large_video_stays_outside(write_run, tmp_path):
    run = write_run("long")
    for video in (run / "eval" / "videos").glob("*.mp4"):
        video.write_bytes(b"\0" * 2_000_000)
    assert "<video" not in write_report([load_run(run)], tmp_path / "report.html").read_text()


def test_runs_of_one_name_are_told_apart_and_one_run_twice_is_refused(write_run, tmp_path):
    a, b = load_run(write_run("same", seed=1)), load_run(write_run("same", seed=2))
    text = write_report([a, b], tmp_path / "report.html").read_text()
    assert str(a.folder) in text
    with pytest.raises(InputError, match="more than once"):
        write_report([a, a], tmp_path / "report.html")


def test_the_picture_is_1200_pixels_wide(write_run, tmp_path):
    runs = [load_run(write_run("cross-entropy", 0.6, 0.0, 1)), load_run(write_run("dist2", 0.84, 2.0, 2))]
    picture = imageio.imread(write_picture(runs, tmp_path / "picture.png"))
    assert picture.shape[1] == 1200


def test_a_filmstrip_runs_from_the_first_frame_to_the_last(tmp_path):
    frames = make_frames(solved=True)
    strip = imageio.imread(write_filmstrip(tmp_path / "new" / "strip.png", frames, n=5))
    width = frames.shape[2]
    assert strip.shape == (frames.shape[1], 5 * width + 4 * 4, 3)
    assert np.array_equal(strip[:, :width], frames[0])
    assert np.array_equal(strip[:, -width:], frames[-1])
    assert imageio.imread(write_filmstrip(tmp_path / "short.png", frames[:2])).shape[1] == 2 * width + 4
    with pytest.raises(ValueError, match="uint8"):
        write_filmstrip(tmp_path / "bad.png", frames.astype(np.float32))
