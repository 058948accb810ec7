"""What the page and its server say to what they cannot use, without a browser."""

import asyncio

import numpy as np
import pytest

from tests.factory import tiny_model
from wae_tf.explore import server, views
from wae_tf.explore.explorer import Explorer


def answered(headers, kind="http"):
    """The status that the application behind `SameOrigin`, or it itself, answers with."""
    sent = []

    async def behind(scope, receive, send):
        await send({"status": 200})

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    asyncio.run(server.SameOrigin(behind)(scope, None, send))
    return sent[0]["status"]


def test_pages_of_other_origins_are_not_answered():
    own = {"host": "127.0.0.1:7860"}
    assert answered(own) == 200
    assert answered(own | {"origin": "http://127.0.0.1:7860"}) == 200
    for other in ("https://elsewhere.example", "null", "http://127.0.0.1:3000", "http://localhost"):
        assert answered(own | {"origin": other}) == 403
    assert answered({}, kind="lifespan") == 200


def test_titles_are_shown_as_they_are():
    assert views.as_markdown("runs/a_b <b>é 1") == r"runs\/a\_b \<b\>é 1"


@pytest.fixture
def page(tmp_path):
    pytest.importorskip("gradio")
    from wae_tf.explore import page

    rows = np.random.RandomState(0).randint(0, 256, (4, 6, 6, 1)).astype(np.uint8)
    return page.Page(Explorer(tiny_model(), rows), "a title", tmp_path)


def given(page, part, event, *inputs):
    """What the handler of an event would be given of the page's inputs."""
    (function,) = [f for f in page.blocks.fns.values() if f.targets[:1] == [(part._id, event)]]
    return asyncio.run(page.blocks.preprocess_data(function, list(inputs), None))


def test_what_is_no_number_of_a_slider_is_no_traceback(page):
    import gradio as gr

    leaf = page.leaf.choices[0][0]
    for value, visible, sentence in (
        (None, False, "a number is missing"),  # while another is typed
        (99, True, "99 is greater than maximum value"),
    ):
        with pytest.raises(gr.Error, match=sentence) as caught:
            given(page, page.sliders[0], "input", None, value, leaf, 0)
        assert (caught.value.visible, caught.value.print_exception) == (visible, False)
    with pytest.raises(gr.Error, match="greater than maximum value 3") as caught:
        given(page, page.take, "click", 4, leaf, 0)
    assert not caught.value.print_exception
    assert given(page, page.take, "click", 3, leaf, 0)[0] == 3


def test_a_request_without_values_is_no_traceback(page):
    import gradio as gr

    for part, event, inputs in (
        (page.text, "submit", [None, page.leaf.choices[0][0], 0]),
        (page.draw, "click", [None, None]),
        (page.write, "click", [None, None, None, None, 5, None]),
    ):
        with pytest.raises(gr.Error, match="a value is missing") as caught:
            given(page, part, event, *inputs)
        assert not caught.value.print_exception


def test_what_is_no_picture_is_a_sentence(page, tmp_path):
    import gradio as gr

    file = tmp_path / "a.png"
    file.write_text("text")
    dropped = page.dropped.data_model(path=str(file), orig_name="a.png")
    path = page.dropped.preprocess(dropped)
    assert path == str(file) and page.dropped.preprocess(None) is None
    with pytest.raises(gr.Error, match="the file is a text file, not a picture") as caught:
        page._drop(path, 0, 0)
    assert not caught.value.print_exception
    with pytest.raises(gr.Error, match="'&lt;img' is none"):  # the page shows HTML
        page._read("<img src=x>", 0, 0)
