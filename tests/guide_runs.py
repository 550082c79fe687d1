"""How each command of the guides is run by a test: what makes it small, what fills its gaps, or why it is not run."""

from tests.guide_commands import Command

POLICY = ("policy.width=8", "policy.depth=1", "policy.attention_heads=1")
TRAINING = ("steps=2", "batch_size=4", "accumulate=1", "warmup_steps=1", "log_every=1", "validate_every=2")
TRAIN = (
    *("device=cpu", "threads=1", "trainer.precision=float32", "trainer.compile=false", "trainer.save_every=2"),
    *(f"trainer.{option}" for option in TRAINING),
)
# Command -> what follows its options as they stand, so that the last word is said here.
SMALL: dict[str, tuple[str, ...]] = {
    "collect": ("episodes=3", "workers=1", "overwrite=true"),
    "deploy": ("duration_s=1", "view=false", "control.limited_timeout_s=10"),
    "eval": ("episodes=2", "max_steps=4", "workers=0", "videos=0", "threads=1"),
    "import": ("overwrite=true",),
    "study": ("jobs=1", "output=studies/{study}"),
    "sweep": ("episodes=2", "max_steps=4", "workers=0"),
    "validate": ("overwrite=true",),
    "train": TRAIN,
}
RECORDED = ("threads=1",)  # of an evaluation on recorded episodes, which are few
EFFORT = "{seeds: [1], steps: 2, episodes: 2, max_steps: 4, evaluation_seed: 0}"
OPTIONS = ",".join(
    f"'{option}'" for option in (*POLICY, "trainer.batch_size=4", "trainer.warmup_steps=1", "device=cpu")
)
LESSONS = ("study.tasks=[point_around]", "study.collected=3", "study.demonstrations=2", f"study.options=[{OPTIONS}]")
ONE_SEED = ("study.seeds=[0]", "study.steps=2", "study.width=8", "study.depth=1", "study.held_out=8")
EYE = tuple(
    f"study.pretraining.{option}" for option in ("scenes=8", "steps=2", "batch_size=4", "width=8", "channels=8")
)
STUDIES: dict[str, tuple[str, ...]] = {
    "claim_frames": (
        *("study.seeds=[0]", "study.late_seeds=1", "study.sizes=[2]", "study.primary_size=2", "only=core/dist2_paper"),
        *("study.width=8", "study.depth=1", "study.attention_heads=1", "study.batch_size=2"),
        "study.root=data/push_frames",
        *("study.codec.codes=8", "study.codec.channels=4", "study.codec.steps=2", "study.codec.batch_size=2"),
    ),
    "claim_grounding": (
        *ONE_SEED,
        *EYE,
        "study.sizes=[8]",
        "study.primary_size=8",
        "study.image_size=32",
        "only=core/dist2_paper",
    ),
    "claim_numbers": (*ONE_SEED, "study.sizes=[10]", "study.sweep_size=10", "study.heads=1", "only=core/dist2_paper"),
    "claim_reward": (
        *("study.seeds=[0]", "study.sizes=[30]", "study.primary_size=30", "study.sweep_size=30", "study.steps=2"),
        *(
            "study.tasks=[PointAround]",
            "study.episodes=4",
            "study.held_out=20",
            "study.pairs=20",
            "only=core/dist2_paper",
        ),
    ),
    "claim_robot": (
        *("study.seeds=[0]", "study.sizes=[2]", "study.primary_size=2", "study.collected=3", "study.steps=2"),
        *("study.fewer_steps=[]", "study.episodes=2", "study.max_steps=4", "only=core/dist2_paper"),
    ),
    "claim_theory": ("study.seeds=[0]", "study.updates=[2]", "study.primary_updates=2", "only=core/dist2/"),
    "few_demonstrations": (*LESSONS, f"study.effort={EFFORT}"),
    "heads_and_losses": (
        *(*LESSONS, "study.heads=[free]", "study.losses=[cross_entropy]", "study.also=[]", "study.decodings=[argmax]"),
        *("study.best=1", f"study.screen={EFFORT}", f"study.final={EFFORT.replace('[1]', '[2]')}"),
    ),
    "peers": (
        *(
            *LESSONS,
            "study.tasks=[point_around,point_choice]",
            "study.learning_rate_task=point_around",
            "study.learning_rates=[1e-3]",
            "study.numbers=[2]",
        ),
        *("study.methods=[{},{head: regression, loss: l1}]", f"study.screen={EFFORT}"),
        f"study.final={EFFORT.replace('[1]', '[2]')}",
    ),
    "so101": (
        *("study.collected=3", "study.demonstrations=2", f"study.options=[{OPTIONS}]", f"study.effort={EFFORT}"),
        "only=Reach-joint",
    ),
}
# A word of a command -> what follows its options besides.
BESIDES: dict[str, tuple[str, ...]] = {
    "size=base": POLICY,
    "size=small": POLICY,
    "dataset.root=/shared/data/push": ("dataset.root=data/push", "output=runs/shared"),
    "tracker=tensorboard": ("output=runs/tensorboard",),  # for want of a sweep it would be a run among those of one
    "trainer.evaluate_every=500": ("trainer.evaluate_every=2", "evaluation.episodes=1"),
    "robot.task=PickPlace": ("start=ramp",),  # a policy of two steps wants to begin anywhere
    "policy=act": ("policy.width=8", "policy.feedforward=8"),
    "policy=frame_predictor": ("policy.codec.steps=2",),
    "policy=diffusion": ("policy.widths=[8,16]",),
    "reward_model=runs/reward": ("checkpoint=runs/rated",),  # the policy and its judge are of one task
    "address=unix:/tmp/mine/policy": ("address=unix:{folder}/socket/policy",),
    "address=ws://127.0.0.1:8765": ("address=ws://127.0.0.1:0",),
    "address=wss://0.0.0.0:8765": ("address=wss://127.0.0.1:0",),
}
# Words that stand for the reader's own.
FILLED = {
    "checkpoint=...": "checkpoint=runs/push",
    "checkpoint=runs/losses/*/": "checkpoint=runs/losses/dist2_energy-seed_0",  # the first turn of a loop
    "checkpoint=RUN": "checkpoint=runs/push",
    "dataset.root=...": "dataset.root=data/push",
    "deployments=[...]": "deployments=[runs/pick/deploy]",
    "spec=": "spec=arm.yaml",
}
SIMULATED = ["checkpoint=runs/mine", "robot.task=PickPlace", "robot.use_degrees=false", "start=ramp"]
# What a fragment of a command leaves out: command -> (keys, options where it has none of those keys).
LEFT_OUT: dict[str, list[tuple[set[str], list[str]]]] = {
    "deploy": [({"checkpoint", "log"}, SIMULATED)],
    "eval": [({"checkpoint"}, ["checkpoint=runs/mine", "env=none"])],
    "train": [({"dataset.root"}, ["dataset.root=data/push"]), ({"output"}, ["output=runs/fragment"])],
}
SERIAL_PORT = "an arm on a serial port"
MORE = "needs a package that the development installation leaves out"
# A program that is no command of ours -> what makes it small.
PROGRAMS: dict[str, tuple[str, ...]] = {
    "chmod": (),
    "lerobot-eval": ("--eval.n_episodes=1", "--eval.batch_size=1"),
    "lerobot-rollout": ("--duration=2",),
    "lerobot-train": ("--steps=2", "--batch_size=4", "--save_freq=2", "--policy.width=8", "--policy.attention_heads=1"),
    "openssl": (),
    "python": ("--delays", "0", "2", "--episodes", "1", "--workers", "0"),
}
# Word of a command -> why a command with it is not run, but only composed (see test_docs).
NOT_RUN = {
    "robot.options.port=/dev/ttyACM0": SERIAL_PORT,
    "robot.type=koch_follower": SERIAL_PORT,
    "hydra/launcher=submitit_slurm": "a cluster with Slurm",
    "hydra/launcher=ray": MORE,
    "hydra/sweeper=optuna": MORE,
    "env.id=lerobot_env_so101/SO101PickCube-v0": "a policy for an environment of others without an expert to record",
    "--policy.path=runs/reach/checkpoints/step_0001500": "needs the plug-in installed: tests/lerobot/test_commands.py",
}
# Programs that are no commands of ours, and are not run.
OTHERS = {
    "make": "sets up an environment, or runs all tests, this one among them",
    "pip": "installs packages",
    "hf": "fetches from the hub",
    "tensorboard": "runs until it is stopped",
}


def why_not(command: Command) -> str | None:
    """Return why a command is not run; None if it is."""
    return OTHERS.get(command.words[0]) or next((why for word, why in NOT_RUN.items() if word in command.words), None)


def arguments(command: Command, folder: str) -> list[str]:
    """Return the options of a command as they stand, its gaps filled, followed by those that make it small."""
    if not command.name:
        return [*command.words[1:], *PROGRAMS[command.words[0]]]
    shown = [FILLED.get(option, option) for option in command.options]
    keys = {option.partition("=")[0] for option in shown}
    for needed, options in LEFT_OUT.get(command.name, []):
        shown += () if keys & needed else options
    small = list(SMALL.get(command.name, ()) if command.name != "eval" or "env=none" not in shown else RECORDED)
    if command.name == "study":
        study = next((option[6:] for option in shown if option.startswith("study=")), "heads_and_losses")
        small = [*small, *STUDIES[study]]
        small = [option.replace("{study}", study) for option in small]
    for word, more in BESIDES.items():
        small += more if word in command.words else ()
    if command.name == "train" and not any(option.startswith("resume=") for option in shown):
        small.append("overwrite=true")
    return [*shown, *(option.replace("{folder}", folder) for option in small)]
