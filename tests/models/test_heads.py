"""What every head keeps to. B batch, L positions, V tokens."""

import json
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.checkpoints.registry import HEADS as TABLE
from dist2_robot.checkpoints.registry import build_head
from dist2_robot.distances.points import TokenPoints
from dist2_robot.models.head import Head
from dist2_robot.models.token_places import TokenPlaces

L, V, WIDTH = 3, 16, 8
EVEN = torch.linspace(0, 1, V, dtype=torch.float64).repeat(L, 1)
# Each position has its own bins, the first one wraps, and the last one has 12 tokens only.
OWN = TokenPoints.of_values((torch.rand(L, V, generator=torch.Generator().manual_seed(0)) + 0.5).cumsum(-1))
OWN.periods[0] = OWN.edges[0, -1] - OWN.edges[0, 0]
OWN = replace(OWN, valid=torch.arange(V) < torch.tensor([V, V, 12])[:, None])
POINTS = {"alike": TokenPoints.of_values(EVEN), "own": OWN}
CODES = TokenPoints(torch.randn(2, V, 3, generator=torch.Generator().manual_seed(1)).double(), torch.tensor([0, 1, 0]))

HEADS = {
    "free": {"name": "free"},
    "mixture": {"name": "mixture", "components": 4, "min_scale_bins": 0.3},
    "mixture gaussian": {"name": "mixture", "kind": "gaussian", "reach": 1.5},
    "smooth": {"name": "smooth", "bases": 10},
    "factored": {"name": "factored", "frequencies": 3, "hidden": 32},
}
BUILT_ON_VALUES = [name for name in HEADS if name != "free"]

every_head = pytest.mark.parametrize("name", HEADS)
every_points = pytest.mark.parametrize("points", POINTS.values(), ids=POINTS)


def test_every_head_of_the_table_is_tested():
    assert {config["name"] for config in HEADS.values()} == set(TABLE)


@every_head
@every_points
def test_a_head_is_built_anew_from_its_config(name, points):
    head = build_head(WIDTH, points, HEADS[name])
    assert isinstance(head, Head)
    again = build_head(WIDTH, points, json.loads(json.dumps(head.config())))
    again.load_state_dict(head.state_dict())
    x = torch.randn(2, L, WIDTH)
    assert again.config() == head.config()
    assert torch.equal(again(x), head(x))


@every_head
@every_points
@pytest.mark.parametrize("targets", [[2, 9, 11], [0, 15, 0], [15, 0, 5]])
def test_a_head_learns_where_one_token_is_right(name, points, targets):
    head, x = build_head(WIDTH, points, HEADS[name]), 3 * torch.eye(L, WIDTH)[None]
    impossible = torch.zeros(L, V, dtype=torch.bool) if points.valid is None else ~points.valid
    optimizer = torch.optim.Adam(head.parameters(), lr=0.03)
    for _ in range(300):
        optimizer.zero_grad()
        F.cross_entropy(head(x)[0].masked_fill(impossible, -1e4), torch.tensor(targets)).backward()
        optimizer.step()
    assert head(x)[0].masked_fill(impossible, -1e4).argmax(-1).tolist() == targets


@pytest.mark.parametrize("name", ["free", "factored"])
def test_codes_without_order_are_learned_too(name):
    test_a_head_learns_where_one_token_is_right(name, CODES, [2, 9, 15])


@pytest.mark.parametrize("name", BUILT_ON_VALUES)
@every_points
def test_neighbours_share_what_is_learned(name, points):
    """A small step towards one token makes its neighbours likelier too, and with free logits it does not."""
    token, x = 8, torch.randn(1, L, WIDTH, dtype=torch.float64)
    for head_name, expected in ((name, True), ("free", False)):
        # Of ten new heads on average: the embeddings of one may happen to be alike far from each other.
        heads = [build_head(WIDTH, points, HEADS[head_name]).double() for _ in range(10)]
        gain = torch.stack([gain_of_a_step(head, x, token) for head in heads]).mean(0)
        assert bool((gain[:, [token - 1, token + 1]] > 0).all()) is expected
        assert (gain[:, token] > 0).all()


def gain_of_a_step(head, x, token):
    """Return by how much each token is likelier, (L, V), after a step that makes one likelier at one position."""
    gains = []
    for position in range(L):
        before = torch.log_softmax(head(x), -1)[0, position]
        gradients = torch.autograd.grad(before[token], list(head.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(head.parameters(), gradients, strict=True):
                parameter += 1e-5 * gradient
            gains.append(torch.log_softmax(head(x), -1)[0, position] - before.detach())
            for parameter, gradient in zip(head.parameters(), gradients, strict=True):
                parameter -= 1e-5 * gradient
    return torch.stack(gains)


@pytest.mark.parametrize("name", BUILT_ON_VALUES)
@given(offset=st.floats(-1e3, 1e3), unit=st.floats(0.01, 1e3))
def test_the_unit_of_the_values_does_not_matter(name, offset, unit):
    x = torch.randn(2, L, WIDTH, dtype=torch.float64)
    for points in (OWN, CODES) if name == "factored" else (OWN,):
        head = build_head(WIDTH, points, HEADS[name]).double()
        moved = replace(
            points,
            points=points.points * unit + offset,
            edges=None if points.edges is None else points.edges * unit + offset,
            periods=None if points.periods is None else points.periods * unit,
        )
        other = build_head(WIDTH, moved, HEADS[name]).double()
        other.load_state_dict(head.state_dict())
        assert torch.allclose(other(x), head(x), atol=1e-3)  # places are kept in 32 bits


@every_head
@every_points
@given(data=st.data())
def test_a_part_of_the_positions_is_that_part_of_the_whole(name, points, data):
    first = data.draw(st.integers(0, L - 1))
    count = data.draw(st.integers(1, L - first))
    head = build_head(WIDTH, points, HEADS[name])
    x = torch.randn(2, L, WIDTH)
    part = head(x[:, first : first + count], first)
    assert torch.allclose(part, head(x)[:, first : first + count], atol=1e-5)


@every_head
@every_points
def test_every_position_is_predicted_from_its_own_features(name, points):
    head, x = build_head(WIDTH, points, HEADS[name]), torch.randn(2, L, WIDTH)
    changed = x.clone()
    changed[0, 1] += 1.0
    difference = (head(changed) - head(x)).abs().amax(-1)
    assert difference[0, 1] > 0
    difference[0, 1] = 0
    assert difference.max() < 1e-5


@pytest.mark.parametrize("name", BUILT_ON_VALUES)
@given(order=st.lists(st.integers(0, L - 1), min_size=1, max_size=6))
def test_a_position_is_predicted_as_if_there_were_no_others(name, order):
    """Whatever other groups there are, in whatever order, and which of them lie alike."""
    rows = torch.tensor(order)
    per_group = {key: getattr(OWN, key)[rows] for key in ("points", "edges", "periods", "valid")}
    points = replace(OWN, groups=torch.arange(len(rows)).flip(0), **per_group)
    head, x = build_head(WIDTH, points, HEADS[name]), torch.randn(2, len(rows), WIDTH)
    together = head(x)
    for position, group in enumerate(reversed(order)):
        here = slice(group, group + 1)
        alone = replace(OWN, groups=torch.tensor([0]), **{key: getattr(OWN, key)[here] for key in per_group})
        other = build_head(WIDTH, alone, HEADS[name])
        other.load_state_dict(head.state_dict())
        exists = OWN.valid[group]
        expected, found = other(x[:, [position]])[:, 0], together[:, position]
        assert torch.allclose(found[:, exists], expected[:, exists], atol=1e-4)


@pytest.mark.parametrize("name", BUILT_ON_VALUES)
def test_a_wide_token_holds_more_than_a_narrow_one_of_the_same_density(name):
    """Two tokens that lie where they did, with other edges: their logits differ by the log of the widths."""
    values = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    plain = TokenPoints.of_values(values)
    edges = torch.tensor([[-0.25, 0.25, 1.75, 2.5, 4.0]], dtype=torch.float64)
    heads = [build_head(WIDTH, points, HEADS[name]) for points in (plain, replace(plain, edges=edges))]
    heads[1].load_state_dict(heads[0].state_dict())
    x = torch.randn(2, 1, WIDTH)
    equal, unequal = (torch.log_softmax(head(x), -1) for head in heads)
    gain = unequal - equal - edges.diff(dim=1).log().float()
    assert (gain.amax(-1) - gain.amin(-1)).max() < 1e-5


@pytest.mark.parametrize("name", BUILT_ON_VALUES)
def test_tokens_that_a_group_lacks_change_nothing(name):
    """What a padded token says of its place does not matter, not even that it is no number."""
    nonsense = {"points": OWN.points.clone(), "edges": OWN.edges.clone()}
    nonsense["points"][2, 12:], nonsense["edges"][2, 13:] = math.nan, -math.inf
    head, other = (build_head(WIDTH, points, HEADS[name]) for points in (OWN, replace(OWN, **nonsense)))
    other.load_state_dict(head.state_dict())
    x = torch.randn(2, L, WIDTH)
    assert torch.equal(other(x)[:, 2, :12], head(x)[:, 2, :12])
    assert torch.isfinite(other(x)).all()


@pytest.mark.parametrize("name", ["mixture", "smooth"])
def test_codes_are_refused_where_order_is_needed(name):
    with pytest.raises(ValueError, match=r"^[^\n]*use head=factored or free$"):
        TABLE[name](WIDTH, CODES)


def test_symbols_are_refused_where_places_are_needed():
    with pytest.raises(ValueError, match=r"^[^\n]*use head=free$"):
        TABLE["factored"](WIDTH, TokenPoints(torch.zeros(1, V, 0), torch.zeros(L, dtype=torch.long)))


def test_positions_whose_tokens_lie_alike_share_a_row():
    units = torch.tensor([[1.0], [1000.0], [1.0]])
    places = TokenPlaces(TokenPoints.of_values(EVEN * units + 5 * units))
    assert len(places.places) == 1
    assert places.rows.tolist() == [0, 0, 0]
    own = TokenPlaces(OWN)
    assert sorted(own.rows.tolist()) == [0, 1, 2]
    wrapping = TokenPoints.of_values(EVEN)
    wrapping.periods[1] = V / (V - 1)
    assert TokenPlaces(wrapping).rows[0] == TokenPlaces(wrapping).rows[2] != TokenPlaces(wrapping).rows[1]


def test_places_span_minus_one_to_one_and_codes_keep_their_shape():
    ordered, codes = TokenPlaces(OWN).places[TokenPlaces(OWN).rows, :, 0], TokenPlaces(CODES).places
    assert ordered[:, 0].tolist() == [-1, -1, -1]
    assert [ordered[0, -1], ordered[1, -1], ordered[2, 11]] == [1, 1, 1]
    assert codes.abs().amax(dim=(1, 2)).tolist() == pytest.approx([1, 1])
    for row, points in zip(codes[TokenPlaces(CODES).rows[:2]], CODES.points, strict=True):
        ratio = torch.pdist(row.double()) / torch.pdist(points)
        assert torch.allclose(ratio, ratio[0], rtol=1e-5)


@pytest.mark.parametrize("name", HEADS)
def test_each_place_of_a_query_has_weights_of_its_own(name):
    points, places, queries = TokenPoints.of_values(torch.linspace(-1, 1, 11)), 3, 2
    head = build_head(WIDTH, points, HEADS[name], places)
    x = torch.randn(4, queries, WIDTH)
    logits = head(x)
    assert logits.shape == (4, queries * places, 11)
    alone = build_head(WIDTH, points, HEADS[name])
    state = head.state_dict()
    for place in range(places):
        here = {k: v.unflatten(0, (places, -1))[place] if k.startswith("linear.") else v for k, v in state.items()}
        alone.load_state_dict(here)
        torch.testing.assert_close(alone(x), logits[:, place::places])
