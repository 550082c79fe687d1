"""A training that is over in a second."""

SMALL = (
    "env=none",
    "device=cpu",
    "threads=1",
    "policy.width=8",
    "policy.depth=1",
    "policy.attention_heads=1",
    "policy.horizon=3",
    "tokenizer.bins=16",
    "trainer.batch_size=8",
    "trainer.steps=20",
    "trainer.warmup_steps=2",
    "trainer.log_every=3",
    "trainer.validate_every=10",
    "trainer.save_every=8",
)
