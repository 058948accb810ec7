"""Peak memory of CelebA training against the number of images: this project and the official code.

    python benchmarks/celeba_memory.py --out=OUT --celeba_dir=FOLDER_OF_JPEGS --official_dir=CLONE \
        --official_python=PY27 [--images=1250,2500,5000,10000] [--work=celebA_mmd,celebA_small_mmd]

Where the folder has too few files, links repeat them. The official code keeps every image that it has
read, as float64; its own loader reads them all here before three steps of training, the state that it
is in after a few epochs. This project's runs three steps as well; it has decoded the images into its
cache before and reads rows of that file. Memory is the process's peak (VmHWM), in MB.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import common
import speed


def linked(folder: Path, target: Path, count: int) -> None:
    """Makes `target` a folder of `count` links that repeat the JPEGs of `folder`."""
    target.mkdir(parents=True, exist_ok=True)
    names = sorted(path.resolve() for path in folder.glob("*.jpg"))
    if not names:
        sys.exit(f"--celeba_dir={folder} holds no *.jpg.")
    for number in range(count):
        link = target / f"{number + 1:06d}.jpg"
        if not link.is_symlink():
            os.symlink(names[number % len(names)], link)


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """Markdown."""
    lines = [
        "| work | images | official, MB | wae_tf, MB | official / wae_tf |",
        "| --- | --- | --- | --- | --- |",
    ]
    for work, found in results.items():
        for images, peak in found.items():
            theirs, own = peak["official"], peak["wae_tf"]
            lines.append(
                f"| {work} | {int(images):,} | {theirs:,.0f} | {own:,.0f} | {theirs / own:.2f}x |"
            )
        mb_an_image = {}
        first, last = next(iter(found)), list(found)[-1]
        if first != last:
            for name in ("official", "wae_tf"):
                rise = found[last][name] - found[first][name]
                mb_an_image[name] = 1024 * rise / (int(last) - int(first))
            lines.append(
                f"| {work} | more an image | {mb_an_image['official']:.1f} kB | "
                f"{mb_an_image['wae_tf']:.1f} kB | |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measures, and writes OUT/memory.json and OUT/memory.md."""
    parser = common.parser(__doc__)
    speed.add_arguments(parser)
    parser.add_argument("--images", type=common.numbers(), default="1250,2500,5000,10000")
    known = [work for work in speed.WORK if work.startswith("celebA")]
    parser.add_argument("--work", type=common.names(known), default="celebA_mmd,celebA_small_mmd")
    options = parser.parse_args()
    if not (options.celeba_dir and options.official_python):
        parser.error("--celeba_dir and --official_python are needed")
    out = Path(options.out).resolve()
    options.out, options.data_dir, options.steps = str(out), None, options.steps or 3
    # Ours takes a tenth of the numbers for testing, as the official split has it.
    links = out / "links"
    linked(Path(options.celeba_dir), links, max(options.images) * 5 // 4 + 2000)
    options.celeba_dir = str(links)
    options.celeba_images = max(options.images)
    results: dict[str, dict[str, dict[str, float]]] = {}
    for work in options.work:
        speed.warm_cache(options, work)
        for count in options.images:
            options.celeba_images = count
            runs = {
                "official": speed.official_command(work, options, loaded=True),
                "wae_tf": speed.own_command(work, options),
            }
            found = {n: speed.measure(f"{n} on {work}", c)["peak_mb"] for n, c in runs.items()}
            results.setdefault(work, {})[str(count)] = found
            print(work, count, found, flush=True)
            (out / "memory.json").write_text(json.dumps(results, indent=1) + "\n")
            (out / "memory.md").write_text(table(results) + "\n")
    print(table(results))


if __name__ == "__main__":
    common.program(main)
