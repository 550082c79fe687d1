"""A small causal transformer that reads and writes pairs of numbers as tokens.

N problems, P pairs, X tokens of an x, Y of a y, S = P (X + 1 + Y) tokens of a problem, V tokens of a y, D width.
The vocabulary is the V tokens of y, then the base of the digits of x if those are others, then ``=``.
"""

import torch
from torch import Tensor, nn

from dist2_robot.claims.linear_problems import LinearProblems
from dist2_robot.models.transformer import Transformer
from dist2_robot.tokenizers.digits import DigitsTokenizer
from dist2_robot.tokenizers.tokenizer import Tokenizer


class NumberWriter(nn.Module):
    """Reads ``x = y`` pairs, and writes the y's.

    Embeddings begin with a part that grows with what a token counts, for a pretrained model knows its digits.

    Args:
        x_tokens: Writes one x in digits.
        y_tokens: Writes one y.
        pairs: P.
        width: D.
        depth: Blocks.
        heads: Of attention.
    """

    def __init__(
        self, x_tokens: DigitsTokenizer, y_tokens: Tokenizer, *, pairs: int, width: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        self.x_tokens, self.y_tokens, self.pairs = x_tokens, y_tokens, pairs
        shares_digits = isinstance(y_tokens, DigitsTokenizer) and y_tokens.base == x_tokens.base
        self.offset_of_x = 0 if shares_digits else y_tokens.vocab_size
        self.equals = max(y_tokens.vocab_size, self.offset_of_x + x_tokens.base)
        self.per_x, self.per_y = x_tokens.tokens_per_chunk, y_tokens.tokens_per_chunk
        self.per_pair = self.per_x + 1 + self.per_y
        self.embedding = nn.Embedding(self.equals + 1, width)
        with torch.no_grad():  # a tenth token that is near the ninth, as to a model that has seen numbers before
            self.embedding.weight += self._values()[:, None] * torch.randn(width)
        self.places = nn.Parameter(torch.randn(pairs * self.per_pair, width) * 0.02)
        self.transformer = Transformer(width, depth, heads)
        self.head = nn.Linear(width, self.equals + 1)

    def _values(self) -> Tensor:
        """Return what each token counts, from -1 to 1, (vocabulary,)."""
        y, x = (torch.linspace(-1, 1, tokens.vocab_size) for tokens in (self.y_tokens, self.x_tokens))
        return torch.cat([y, x[: self.equals - len(y)], torch.zeros(1)])

    def written(self, problems: LinearProblems) -> Tensor:
        """Return problems as tokens (N, S)."""
        x, y = (
            tokens.encode(values.reshape(-1, 1, 1)).view(len(problems), self.pairs, -1)
            for tokens, values in ((self.x_tokens, problems.x), (self.y_tokens, problems.y))
        )
        equals = torch.full_like(x[..., :1], self.equals)
        return torch.cat([x + self.offset_of_x, equals, y], dim=-1).flatten(1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (N, S, vocabulary), each of the token after it."""
        length = tokens.shape[1]
        mask = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        return self.head(self.transformer(self.embedding(tokens) + self.places[:length], mask))

    def answers(self, values: Tensor, first_pair: int) -> Tensor:
        """Return what stands for the y tokens of the pairs from `first_pair` on, (N, (P - first_pair) Y, ...).

        Args:
            values: (N, S, ...).
            first_pair: Counted from 0.
        """
        pairs = values.unflatten(1, (self.pairs, self.per_pair))
        return pairs[:, first_pair:, -self.per_y :].flatten(1, 2)

    @torch.no_grad()
    def write(self, problems: LinearProblems) -> Tensor:
        """Return the last y (N,), written token by token, the most probable each."""
        tokens = self.written(problems)[:, : -self.per_y]
        cache = self.transformer.new_cache()
        length = tokens.shape[1]
        mask = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        features = self.transformer(self.embedding(tokens) + self.places[:length], mask, cache)[:, -1]
        chosen = []
        for place in range(length, length + self.per_y):
            chosen.append(self.head(features)[:, : self.y_tokens.vocab_size].argmax(-1))
            if len(chosen) < self.per_y:
                after = self.embedding(chosen[-1])[:, None] + self.places[place]
                features = self.transformer(after, cache=cache)[:, -1]
        return self.y_tokens.decode(torch.stack(chosen, dim=1)).flatten()
