"""dist2-serve: a checkpoint that answers on a socket."""

import logging
from typing import Any

import torch

from dist2_robot.checkpoints.hub import fetch_checkpoint
from dist2_robot.checkpoints.registry import look_up
from dist2_robot.cli.app import run_command
from dist2_robot.cli.device import choose_device
from dist2_robot.deploy.forms.forms import FORMS, load_inference
from dist2_robot.deploy.serving.access import Access, check_access, read_token, server_tls
from dist2_robot.deploy.serving.addresses import Address, parse_address
from dist2_robot.deploy.serving.channels import ServerLimits
from dist2_robot.deploy.serving.server import PolicyServer, run_server
from dist2_robot.errors import InputError

ABOUT = """
Serve a policy to other programs, on this machine or, with a token and TLS, on the network. Any Python program asks with
dist2_robot.deploy.serving.client.PolicyClient, which needs no torch.

  dist2-serve checkpoint=runs/push address=unix:/tmp/mine/policy
  dist2-serve checkpoint=runs/push address=ws://127.0.0.1:8765
  dist2-serve checkpoint=runs/push address=wss://0.0.0.0:8765 token_file=token tls.cert=cert.pem tls.key=key.pem
"""


def serve(config: dict[str, Any]) -> int:
    """Address, access, policy, server."""
    try:
        address = parse_address(config["address"])
    except ValueError as error:
        raise InputError(f"address={error}") from error
    tls = config["tls"]
    access = Access(read_token(config["token_file"]), server_tls(tls["cert"], tls["key"]))
    check_access(address, access)  # before the policy is loaded, which takes a while
    look_up(FORMS, config["form"], "form")
    for name in ("threads", "max_connections", "max_message_mb"):
        if config[name] < 1:
            raise InputError(f"{name} must be at least 1, got {config[name]}")
    torch.set_num_threads(config["threads"])
    folder = fetch_checkpoint(config["checkpoint"])
    inference = load_inference(config["form"], folder, str(choose_device(config["device"])))
    card = inference.card
    if card.golden_wrong:
        logging.getLogger(__name__).warning(
            "%d golden numbers differ from those of the training machine: compare success before you trust it here",
            card.golden_wrong,
        )
    limits = ServerLimits(max_message_bytes=config["max_message_mb"] * 2**20, max_connections=config["max_connections"])
    print(f"policy: {card.checkpoint} ({card.form}), {card.horizon} steps at {card.spec.rate_hz:g} Hz")
    return run_server(PolicyServer(inference, address, access, limits), _say_where)


def _say_where(address: Address) -> None:
    print(f"serving at {address}", flush=True)


def main() -> None:
    run_command("dist2-serve", "serve", ABOUT, serve)


if __name__ == "__main__":
    main()
