"""The page, of Gradio's parts: sliders, a place to drop a picture, ways between two codes, files."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from wae_tf.data.archives import BadPicture
from wae_tf.explore import views
from wae_tf.explore.explorer import Explorer

#: Sliders at once; the other coordinates are on further leaves.
SLIDERS = 8
NEIGHBOURS = 8
_LARGE, _SMALL = 320, 112  # pixels of a side, about
#: How every event is answered: the newest of many moves of a slider, nothing blinking meanwhile.
_LIVE: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
_CSS = "img {image-rendering: pixelated} footer {display: none !important}"


def _told(sentence: str) -> gr.Error:
    """A sentence on the page, which shows HTML, and no traceback in the terminal."""
    return gr.Error(html.escape(sentence, quote=False), print_exception=False)


class _Blocks(gr.Blocks):
    """Blocks whose parts refuse what a visitor gives them without a traceback in the terminal."""

    async def preprocess_data(self, block_fn: Any, *given: Any, **named: Any) -> Any:
        quiet = {"visible": False, "print_exception": False}
        try:
            values = await super().preprocess_data(block_fn, *given, **named)
        except gr.Error as error:  # a number beyond its ends
            raise _told(str(error.message)) from error
        except Exception as error:  # a number's box that is empty while a number is typed into it
            raise gr.Error("a number is missing.", **quiet) from error
        for part, value in zip(block_fn.inputs, values, strict=True):
            if value is None and not isinstance(part, gr.Number | gr.Image):  # no browser's
                raise gr.Error("a value is missing.", **quiet)
        return values


def _path_of(dropped: Any) -> str | None:
    return dropped.path if dropped else None


class Page:
    """The page of one model.

    A visitor's code, and the two that an interpolation goes between, are kept with his page alone.

    Args:
        explorer: the model and the data's codes.
        title: what is explored.
        folder: where files to download are written.
    """

    def __init__(self, explorer: Explorer, title: str, folder: Path):
        self.explorer = explorer
        self.folder = folder
        self.leaves = [
            explorer.order[first : first + SLIDERS] for first in range(0, explorer.zdim, SLIDERS)
        ]
        with _Blocks(analytics_enabled=False, title=title, fill_width=True) as self.blocks:
            gr.Markdown(f"### {views.as_markdown(title)}", latex_delimiters=[])
            self._lay_out()
            self._connect()

    # The parts.

    def _lay_out(self) -> None:
        explorer = self.explorer
        begin = explorer.middle()
        self.code, self.first, self.last = gr.State(begin), gr.State(begin), gr.State(begin)
        self.codes = gr.State(begin[None])  # what a file to download holds
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                self.picture = self._image(begin)
                with gr.Row():
                    self.draw = gr.Button("draw from the prior", elem_id="draw", size="sm")
                    self.reset = gr.Button("back to the middle", elem_id="reset", size="sm")
                self.text = gr.Textbox(
                    views.as_text(begin),
                    label="the code",
                    lines=2,
                    elem_id="code",
                    submit_btn="set",
                )
                classes = explorer.model.settings.classes
                self.label = gr.Dropdown(
                    [(f"of class {label}", label) for label in range(classes)] or [("", 0)], value=0,
                    visible=classes > 0, show_label=False, container=False, elem_id="label",
                )  # fmt: skip
            with gr.Column(scale=3, min_width=300):
                self._lay_out_sliders(begin)
            with gr.Column(scale=2, min_width=260):
                self._lay_out_input()
        with gr.Tab("neighbours", id="neighbours"):
            self.near = self._gallery("data with the nearest codes, and how far they are", "near")
        with gr.Tab("between two", id="between"), gr.Row():
            with gr.Column(scale=1, min_width=200):
                self.set_first = gr.Button("the code is the first", elem_id="first")
                self.set_last = gr.Button("the code is the last", elem_id="last")
                self.steps = gr.Slider(3, 20, 10, step=1, label="steps", elem_id="steps")
            with gr.Column(scale=4):
                self.way = self._gallery("from the first to the last", "way")
        with gr.Tab("around", id="around"), gr.Row():
            with gr.Column(scale=1, min_width=200):
                self.radius = gr.Slider(
                    0, 2, 0.5, label="standard deviations of the prior", elem_id="radius"
                )
                self.count = gr.Slider(4, 60, 20, step=1, label="how many", elem_id="count")
                self.seed = gr.Number(0, label="seed", precision=0, elem_id="seed")
                self.go_round = gr.Button("sample around the code", elem_id="round")
            with gr.Column(scale=4):
                self.about = self._gallery(
                    "decoded from codes around; one clicked on is taken", "about"
                )
        with gr.Tab("files", id="files"):
            self.which = gr.Radio(
                ["the code", "between two", "around"],
                value="the code",
                label="codes of",
                elem_id="which",
            )
            self.write = gr.Button("write them", elem_id="write")
            self.files = gr.File(
                label="codes.npy and codes.csv", file_count="multiple", elem_id="files"
            )

    def _lay_out_sliders(self, code: np.ndarray) -> None:
        explorer, leaf = self.explorer, self.leaves[0]
        names = [
            f"coordinates {SLIDERS * i + 1} to {SLIDERS * i + len(each)} of {explorer.zdim}, "
            "the most varying first"
            for i, each in enumerate(self.leaves)
        ]
        self.leaf = gr.Dropdown(
            names, value=names[0], type="index", show_label=False, visible=len(names) > 1,
            elem_id="leaf", container=False,
        )  # fmt: skip
        self.sliders = [
            gr.Slider(
                *explorer.ends(k), float(code[k]), step=0.01, precision=2,
                label=f"z{k}", elem_id=f"slider{i}",
            )
            for i, k in enumerate(leaf)
        ]  # fmt: skip

    def _lay_out_input(self) -> None:
        model, rows = self.explorer.model, self.explorer.rows
        self.dropped = gr.Image(
            label="drop a picture in", type="filepath", image_mode=None, sources=["upload", "clipboard"],
            height=220, elem_id="dropped", visible=views.takes_pictures(model),
        )  # fmt: skip
        # Gradio would open the file itself, and fail on what is no picture before `_drop` says so.
        self.dropped.preprocess = _path_of
        self.number = gr.Number(
            0, label=f"or a row of the data, 0 to {len(rows) - 1}", precision=0, minimum=0,
            maximum=max(len(rows) - 1, 0), visible=len(rows) > 0, elem_id="number",
        )  # fmt: skip
        self.take = gr.Button("take that row", visible=len(rows) > 0, elem_id="take", size="sm")
        self.pair = self._gallery("as the model sees it, and its reconstruction", "pair", 2, 200)

    def _image(self, code: np.ndarray) -> Any:
        (picture,) = self._pictures(self.explorer.decode(code[None]), _LARGE)
        gr.Markdown("decoded from the code")
        return gr.Image(
            picture, show_label=False, elem_id="decoded", format="png", interactive=False, height=_LARGE,
            buttons=["download"],
        )  # fmt: skip

    def _gallery(self, label: str, name: str, columns: int = 8, height: int = 360) -> Any:
        gr.Markdown(label)
        return gr.Gallery(
            show_label=False, elem_id=name, format="png", columns=columns, object_fit="contain",
            allow_preview=False, interactive=False, height=height, buttons=[],
        )  # fmt: skip

    # What happens. What shows the code: picture, text, sliders, neighbours.

    def _connect(self) -> None:
        shows = [self.code, self.picture, self.text, *self.sliders, self.near]
        seen = [self.leaf, self.label]
        for i, slider in enumerate(self.sliders):
            slider.input(
                lambda code, value, leaf, label, i=i: self._move(code, value, leaf, label, i),
                [self.code, slider, *seen],
                [self.code, self.picture, self.text, *self._others(i), self.near],
                **_LIVE,
            )
        self.leaf.input(self._turn, [self.code, self.leaf], self.sliders, **_LIVE)
        self.text.submit(self._read, [self.text, *seen], shows, **_LIVE)
        self.draw.click(self._draw, seen, shows, **_LIVE)
        self.reset.click(self._reset, seen, shows, **_LIVE)
        self.dropped.input(self._drop, [self.dropped, *seen], [self.pair, *shows], **_LIVE)
        taken = [self.label, self.pair, *shows]
        self.take.click(self._take, [self.number, *seen], taken, **_LIVE)
        way = [self.first, self.last, self.steps, self.label]
        self.set_first.click(lambda code: code, self.code, self.first).then(
            self._walk, way, self.way, **_LIVE
        )
        self.set_last.click(lambda code: code, self.code, self.last).then(
            self._walk, way, self.way, **_LIVE
        )
        self.steps.input(self._walk, way, self.way, **_LIVE)
        ball = [self.code, self.radius, self.count, self.seed, self.label]
        self.go_round.click(self._go_round, ball, [self.about, self.codes], **_LIVE)
        self.radius.input(self._go_round, ball, [self.about, self.codes], **_LIVE)
        self.about.select(self._choose, [self.codes, *seen], shows, **_LIVE)
        self.label.input(self._show, [self.code, *seen], shows, **_LIVE)
        self.write.click(self._write, [self.which, self.code, *way[:3], self.codes], self.files)
        self.blocks.load(lambda: self._near(self.explorer.middle()), None, self.near, **_LIVE)

    def _others(self, i: int) -> list[Any]:
        """The sliders that a move of one changes: of a sphere all others, else none."""
        sphere = self.explorer.model.settings.prior == "sphere"
        return [s for k, s in enumerate(self.sliders) if k != i] if sphere else []

    def _show(self, code: np.ndarray, leaf: int, label: int) -> list[Any]:
        (picture,) = self._pictures(self.explorer.decode(code[None], label), _LARGE)
        return [code, picture, views.as_text(code), *self._turn(code, leaf), self._near(code)]

    def _turn(self, code: np.ndarray, leaf: int) -> list[Any]:
        explorer = self.explorer
        moved = [
            gr.Slider(
                minimum=explorer.ends(k)[0], maximum=explorer.ends(k)[1],
                value=float(code[k]), label=f"z{k}", visible=True,
            )
            for k in self.leaves[leaf]
        ]  # fmt: skip
        return moved + [gr.Slider(visible=False)] * (len(self.sliders) - len(moved))

    def _move(self, code: np.ndarray, value: float, leaf: int, label: int, i: int) -> list[Any]:
        code = self.explorer.moved(code, int(self.leaves[leaf][i]), value)
        new, picture, text, *sliders, near = self._show(code, leaf, label)
        others = [s for k, s in enumerate(sliders) if k != i] if self._others(i) else []
        return [new, picture, text, *others, near]

    def _draw(self, leaf: int, label: int) -> list[Any]:
        seed = int(np.random.default_rng().integers(2**31))
        return self._show(self.explorer.drawn(seed), leaf, label)

    def _reset(self, leaf: int, label: int) -> list[Any]:
        return self._show(self.explorer.middle(), leaf, label)

    def _read(self, text: str, leaf: int, label: int) -> list[Any]:
        try:
            code = views.of_text(text, self.explorer.zdim)
        except ValueError as error:
            raise _told(str(error)) from error
        return self._show(self.explorer.supported(code[None])[0], leaf, label)

    def _drop(self, file: str | None, leaf: int, label: int) -> list[Any]:
        if file is None:  # taken away again
            return [gr.skip()] * (5 + len(self.sliders))
        try:
            data, of_ones = Path(file).read_bytes(), self.explorer.zero_and_one
            row = views.as_row(self.explorer.model, data, of_ones)
        except BadPicture as error:
            raise _told(f"the file {error}.") from error
        return self._of_row(row, leaf, label)

    def _take(self, number: int | None, leaf: int, label: int) -> list[Any]:
        rows = self.explorer.rows
        if number is None or not 0 <= number < len(rows):
            raise _told(
                f"there are rows 0 to {len(rows) - 1}." if len(rows) else "there are no rows."
            )
        if self.explorer.labels is not None:
            label = int(self.explorer.labels[int(number)])
        return [label, *self._of_row(np.asarray(rows[int(number)]), leaf, label)]

    def _of_row(self, row: np.ndarray, leaf: int, label: int) -> list[Any]:
        code = self.explorer.encode(row[None])[0]
        seen = np.asarray(self.explorer.model.as_pixels(row[None]))
        both = np.concatenate([seen, self.explorer.decode(code[None], label)])
        return [self._pictures(both, _SMALL), *self._show(code, leaf, label)]

    def _near(self, code: np.ndarray) -> list[Any]:
        where, far = self.explorer.neighbours(code, NEIGHBOURS)
        if not len(where):
            return []
        found = self._pictures(np.stack([self.explorer.rows[i] for i in where]), _SMALL)
        return [
            (picture, f"row {i}, {distance:.2f}")
            for picture, i, distance in zip(found, where, far, strict=True)
        ]

    def _walk(self, first: np.ndarray, last: np.ndarray, steps: float, label: int) -> list[Any]:
        way = self.explorer.line(first, last, int(steps))
        return self._pictures(self.explorer.decode(way, label), _SMALL)

    def _go_round(
        self, code: np.ndarray, radius: float, count: float, seed: float | None, label: int
    ) -> tuple[list[Any], np.ndarray]:
        codes = self.explorer.around(code, radius, int(count), abs(int(seed or 0)))
        return self._pictures(self.explorer.decode(codes, label), _SMALL), codes

    def _choose(self, codes: np.ndarray, leaf: int, label: int, event: gr.SelectData) -> list[Any]:
        if not isinstance(event.index, int) or not 0 <= event.index < len(codes):
            raise _told("choose one of the pictures.")
        return self._show(codes[event.index], leaf, label)

    def _write(
        self,
        which: str,
        code: np.ndarray,
        first: np.ndarray,
        last: np.ndarray,
        steps: float,
        around: np.ndarray,
    ) -> list[str]:
        codes = {
            "the code": code[None],
            "between two": self.explorer.line(first, last, int(steps)),
            "around": around,
        }[which]
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        return [str(path) for path in views.write_codes(folder, codes)]

    def _pictures(self, rows: np.ndarray, side: int) -> list[np.ndarray]:
        return views.pictures(self.explorer.model, rows, side)


def application(page: Page, folder: Path) -> Any:
    """The page as an ASGI application, which fetches nothing from elsewhere and tells nobody anything.

    Args:
        page: the page.
        folder: whose files can be downloaded.
    """
    import fastapi
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # A page of elsewhere whose name is made to lead here is not answered.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return gr.mount_gradio_app(
        app, page.blocks, path="/", server_name="127.0.0.1", ssr_mode=False, footer_links=[],
        run_history=False, allowed_paths=[str(folder)], css=_CSS, theme=gr.themes.Base(
            font=["sans-serif"], font_mono=["monospace"]
        ),
    )  # fmt: skip
