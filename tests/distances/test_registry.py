"""Every distance and temperature is reached by name, and comes back from its config."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.registry import DISTANCES, TEMPERATURES, build_distance, build_temperature
from dist2_robot.config_dir import config_dir
from dist2_robot.distances.chordal import ChordalDistance
from dist2_robot.distances.circular import CircularDistance
from dist2_robot.distances.cosine import CosineDistance
from dist2_robot.distances.entropy_temperature import EntropyTemperature
from dist2_robot.distances.euclidean import EuclideanDistance
from dist2_robot.distances.geodesic import GeodesicDistance
from dist2_robot.distances.huber import HuberDistance
from dist2_robot.distances.lattice import LatticeDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.random import RandomDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.temperature import FixedTemperature
from dist2_robot.distances.width_temperature import WidthTemperature
from dist2_robot.errors import InputError
from dist2_robot.tokenizers.uniform import UniformTokenizer

ARM = ActionDimension("arm", "ee_position", "m", -1.0, 1.0)
TURN = ActionDimension("turn", "joint", "rad", -math.pi, math.pi, wraps=True)
TOKENIZER = UniformTokenizer(ActionSpec((ARM, TURN), "absolute", 10.0, "file"), horizon=2, bins=16)
QUATERNIONS = TokenPoints(torch.nn.functional.normalize(torch.randn(1, 12, 4).double(), dim=-1), torch.tensor([0]))
CHANGED = [
    SquaredDistance("bins"),
    HuberDistance(1.5, "bins"),
    CircularDistance("bins"),
    GeodesicDistance(0.2),
    ChordalDistance(0.2),
    EuclideanDistance(squared=True),
    CosineDistance(),
    LatticeDistance(),
    RandomDistance(3, "absolute", "bins"),
]


def options(group):
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((config_dir() / group).glob("*.yaml"))}


def with_file(config, folder: Path):
    if config["name"] != "matrix":
        return config
    rank = np.arange(16.0)
    np.save(folder / "table.npy", np.abs(rank[:, None] - rank))
    return config | {"path": str(folder / "table.npy")}


def test_every_distance_and_temperature_has_its_file_and_its_name():
    assert set(options("distance")) == set(DISTANCES)
    assert set(options("temperature")) == set(TEMPERATURES)
    for name, config in (options("distance") | options("temperature")).items():
        assert config["name"] == name
    assert all(cls.name == name for name, cls in DISTANCES.items())


@pytest.mark.parametrize("name", DISTANCES)
def test_a_distance_comes_back_from_its_file(tmp_path, name):
    config = with_file(options("distance")[name], tmp_path)
    assert build_distance(config).config() == config
    assert build_distance({k: v for k, v in config.items() if k in ("name", "path")}).config() == config


@pytest.mark.parametrize("distance", CHANGED, ids=lambda d: d.name)
def test_a_distance_comes_back_from_its_config(distance):
    again = build_distance(json.loads(json.dumps(distance.config())))
    assert type(again) is type(distance)
    assert again.config() == distance.config()
    assert again.power == distance.power
    points = QUATERNIONS if distance.unit == "tolerance" else TOKENIZER.points()
    if distance.name != "lattice":
        assert torch.equal(points.distances(again).distances, points.distances(distance).distances)


@pytest.mark.parametrize("name", TEMPERATURES)
def test_a_temperature_comes_back_from_its_file(name):
    config = options("temperature")[name]
    assert build_temperature(config).config() == config
    assert build_temperature({"name": name}).config() == config


@pytest.mark.parametrize("temperature", [FixedTemperature(0.3), EntropyTemperature(1.25), WidthTemperature(2.5)])
def test_a_temperature_comes_back_from_its_config(temperature):
    again = build_temperature(json.loads(json.dumps(temperature.config())))
    assert type(again) is type(temperature)
    assert again.config() == temperature.config()


@pytest.mark.parametrize("name", sorted(set(DISTANCES) - {"cosine"}))
def test_every_distance_makes_a_table_of_equal_bins(tmp_path, name):
    table = TOKENIZER.distances(build_distance(with_file(options("distance")[name], tmp_path)))
    d = table.distances
    assert d.shape == (2, 16, 16)
    assert table.groups.tolist() == [0, 1, 0, 1]
    if name not in ("random", "matrix"):
        for row in d[0].tolist():  # on a line distances grow away from the true token
            truth = row.index(0.0)
            assert row[truth:] == sorted(row[truth:])
            assert row[: truth + 1] == sorted(row[: truth + 1], reverse=True)
        # On a circle all tokens are alike, and the first is as near to the last as to the second.
        assert torch.allclose(d[1, 0, 1], d[1, 0, 15], rtol=1e-5)
        assert torch.allclose(d[1].roll((1, 1), (0, 1)), d[1], rtol=1e-4, atol=1e-4)


def test_what_cannot_be_is_refused_as_the_users_to_mend():
    with pytest.raises(InputError, match=r"^[^\n]*these tokens are numbers: use distance=absolute$"):
        TOKENIZER.distances(CosineDistance())
    for config in (
        {"name": "huber", "delta": -1},
        {"name": "matrix", "path": None},
        {"name": "lattice", "unit": "rad"},
    ):
        with pytest.raises(InputError, match=rf"^distance '{config['name']}': [^\n]+$"):
            build_distance(config)
    for config in ({"name": "entropy", "nats": 0}, {"name": "width", "width": "x"}, {"name": "entropy", "bits": 1}):
        with pytest.raises(InputError, match=rf"^temperature '{config['name']}': [^\n]+$"):
            build_temperature(config)
