"""Where rounding sends a run another way: the unit on either side of whose threshold two runs part.

    python benchmarks/forks.py [--record=tests/goldens/add_noise_mlp.npz] [--runs=0,7]

Both runs are ours, of a record of the official code, from weights that are moved by one float32 rounding
(another one for each number; 0: not moved), step by step as `python -m wae_tf.diff` makes them. Prints how
far the losses of each step are from the official ones, and, of two runs, the first units whose input is
above zero in one and not in the other. More --runs than two show which go the official way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import common
import keras
import numpy as np

from wae_tf.official.parity import table
from wae_tf.official.parity.replay import Replay

RECORD = Path(__file__).parents[1] / "tests" / "goldens" / "add_noise_mlp.npz"
#: Units told: those after the first few are what the first have done.
MOST = 5


def inputs_of_units(network: keras.Model) -> keras.Model:
    """The network with what enters its activations as outputs."""
    entering = [
        layer.input for layer in network.layers if isinstance(layer, keras.layers.Activation)
    ]
    return keras.Model(network.inputs, entering)


def trained(replay: Replay, nudge: int) -> tuple[np.ndarray, list[list[np.ndarray]]]:
    """A run's losses [steps, terms], and the inputs of all units in the pass of each step."""
    model = replay._reset(nudge)
    model.step.assign(0)
    update = replay._compiled()
    networks = [inputs_of_units(model.encoder), inputs_of_units(model.decoder)]
    losses, units = [], []
    for step in range(replay.meta["steps"]):
        images, prior_sample, noise, second = replay.step_inputs(step)
        units.append(_units(model, networks, images, noise))
        logs = update(images, prior_sample, noise, second)
        losses.append([float(logs["reconstruction"]), float(logs["penalty"])])
    return np.array(losses), units


def _units(model: Any, networks: list[keras.Model], images: Any, noise: Any) -> list[np.ndarray]:
    kept = [variable.numpy() for variable in model.variables]  # batch norm's moments move
    noisy = images if noise.pixels is None else images + noise.pixels
    found = keras.tree.flatten(networks[0](noisy, training=True))
    codes = model.encoding(images, noise, training=True).codes
    found += keras.tree.flatten(networks[1](codes, training=True))
    for variable, value in zip(model.variables, kept, strict=True):
        variable.assign(value)
    return [np.asarray(unit) for unit in found]


def main() -> None:
    """Prints."""
    parser = common.parser(__doc__)
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--runs", type=common.numbers(least=0), default="0,7")
    parser.add_argument("--precision", default="float32", choices=["float32", "float64"])
    options = parser.parse_args()
    names = ("steps/reconstruction", "steps/penalty")
    with table.reading(options.record, "a run of the official code"):
        replay = Replay(str(options.record), options.precision)
        official = np.stack([replay.arrays[name] for name in names], 1)
    runs = [(nudge, *trained(replay, nudge)) for nudge in options.runs]
    for nudge, losses, _ in runs:
        apart = np.abs(losses - official).max(1) / np.maximum(1.0, np.abs(official).max())
        print(f"run {nudge}, from the official losses:", *(f"{value:.0e}" for value in apart))
    if len(runs) != 2:
        return
    (_, _, first), (_, _, second) = runs
    told = 0
    for step, layers in enumerate(zip(first, second, strict=True)):
        for number, (one, other) in enumerate(zip(*layers, strict=True)):
            for place in np.argwhere((one > 0) != (other > 0))[: MOST - told]:
                told += 1
                at = tuple(int(index) for index in place)
                print(
                    f"step {step + 1}, activation {number + 1}, row and unit {at}: {one[at]:+.2e} and "
                    f"{other[at]:+.2e} (root mean square {np.sqrt(np.mean(one**2)):.2f})"
                )


if __name__ == "__main__":
    common.program(main)
