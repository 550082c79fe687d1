"""Servos without a serial port: their registers, behind what LeRobot's buses ask of the SDKs of Feetech and Dynamixel.

All above the SDK is LeRobot's own code: the robot, its bus, calibration, normalisation, addresses, bytes and signs.
"""

import json
from pathlib import Path

import pytest
from lerobot.motors.feetech import FeetechMotorsBus
from lerobot.motors.feetech.tables import MODEL_NUMBER_TABLE

# The ranges of an arm that was calibrated, in ticks. The wrist rolls a full turn, as LeRobot's calibration has it.
RANGES = {
    "shoulder_pan": (750, 3400),
    "shoulder_lift": (800, 3250),
    "elbow_flex": (850, 3090),
    "wrist_flex": (900, 3200),
    "wrist_roll": (0, 4095),
    "gripper": (2030, 3500),
}
_TABLE = FeetechMotorsBus.model_ctrl_table["sts3215"]
GOAL, PRESENT = _TABLE["Goal_Position"][0], _TABLE["Present_Position"][0]


class Port:
    """Is open or shut."""

    def __init__(self, name: str) -> None:
        self.name, self.is_open, self.is_using = name, False, False

    def openPort(self) -> bool:  # noqa: N802
        self.is_open = True
        return True

    def closePort(self) -> None:  # noqa: N802
        self.is_open = False

    def clearPort(self) -> None:  # noqa: N802
        pass

    def setPacketTimeoutMillis(self, milliseconds: float) -> None:  # noqa: N802
        pass


class Servos:
    """Six STS3215 that are at once where they are sent; stands for the SDK and for its packet handler.

    Attributes:
        registers: Number of the servo -> its registers, low byte first.
    """

    COMM_SUCCESS = 0
    PortHandler = Port

    def __init__(self) -> None:
        self.registers = {i: bytearray(256) for i in range(1, 7)}
        for i, (low, high) in enumerate(RANGES.values(), start=1):
            self._put(i, _TABLE["Model_Number"][0], MODEL_NUMBER_TABLE["sts3215"])
            self._put(i, _TABLE["Min_Position_Limit"][0], low)
            self._put(i, _TABLE["Max_Position_Limit"][0], high)
            self._put(i, PRESENT, (low + high) // 2)

    def ticks(self) -> dict[str, int]:
        """Return where each servo was sent."""
        return {name: self._get(i, GOAL, 2) for i, name in enumerate(RANGES, start=1)}

    def put(self, ticks: dict[str, int]) -> None:
        """Turn the servos."""
        for i, name in enumerate(RANGES, start=1):
            self._put(i, PRESENT, ticks[name])

    # What the SDK has, with its names.

    def PacketHandler(self, protocol: int) -> "Servos":  # noqa: N802
        return self

    def GroupSyncRead(self, *_: object) -> "_Group":  # noqa: N802
        return _Group(self)

    GroupSyncWrite = GroupSyncRead

    def ping(self, port: Port, number: int) -> tuple[int, int, int]:
        return self._get(number, _TABLE["Model_Number"][0], 2), 0, 0

    def read1ByteTxRx(self, port: Port, number: int, address: int) -> tuple[int, int, int]:  # noqa: N802
        return self._get(number, address, 1), 0, 0

    def read2ByteTxRx(self, port: Port, number: int, address: int) -> tuple[int, int, int]:  # noqa: N802
        return self._get(number, address, 2), 0, 0

    def writeTxRx(self, port: Port, number: int, address: int, length: int, data: list[int]) -> tuple[int, int]:  # noqa: N802
        self.registers[number][address : address + length] = bytes(data)
        if address == GOAL:
            self.registers[number][PRESENT : PRESENT + length] = bytes(data)
        return 0, 0

    @staticmethod
    def SCS_LOBYTE(value: int) -> int:  # noqa: N802
        return value & 0xFF

    @staticmethod
    def SCS_HIBYTE(value: int) -> int:  # noqa: N802
        return value >> 8 & 0xFF

    def _get(self, number: int, address: int, length: int) -> int:
        return int.from_bytes(self.registers[number][address : address + length], "little")

    def _put(self, number: int, address: int, value: int) -> None:
        self.registers[number][address : address + 2] = value.to_bytes(2, "little")


class _Group:
    """Reads from, or writes to, several servos at once."""

    def __init__(self, servos: Servos) -> None:
        self._servos, self.start_address, self.data_length = servos, 0, 0
        self._data: dict[int, list[int] | None] = {}

    def clearParam(self) -> None:  # noqa: N802
        self._data = {}

    def addParam(self, number: int, data: list[int] | None = None) -> None:  # noqa: N802
        self._data[number] = data

    def txRxPacket(self) -> int:  # noqa: N802
        return 0

    def getData(self, number: int, address: int, length: int) -> int:  # noqa: N802
        return self._servos._get(number, address, length)

    def txPacket(self) -> int:  # noqa: N802
        for number, data in self._data.items():
            self._servos.writeTxRx(Port(""), number, self.start_address, self.data_length, data or [])
        return 0


def install(monkeypatch: pytest.MonkeyPatch) -> Servos:
    """Put servos behind LeRobot's buses, in place of SDKs that need not be installed."""
    servos = Servos()
    for module in ("motors_bus", "feetech.feetech", "dynamixel.dynamixel"):
        monkeypatch.setattr(f"lerobot.motors.{module}.require_package", lambda *_, **__: None)
    monkeypatch.setattr("lerobot.motors.motors_bus.DeepDiff", lambda one, other: one != other)
    monkeypatch.setattr("lerobot.motors.feetech.feetech.scs", servos)
    monkeypatch.setattr("lerobot.motors.dynamixel.dynamixel.dxl", servos)
    return servos


def calibrated(folder: Path, identity: str = "black", drive_mode: int = 0) -> dict[str, object]:
    """Write a calibration file of `RANGES`, and return the options of an arm that finds it."""
    calibration = {
        name: {"id": i, "drive_mode": drive_mode, "homing_offset": 0, "range_min": low, "range_max": high}
        for i, (name, (low, high)) in enumerate(RANGES.items(), start=1)
    }
    (folder / f"{identity}.json").write_text(json.dumps(calibration))
    return {"port": "/dev/none", "id": identity, "calibration_dir": str(folder)}
