"""--mode=explore: its flags, and the page itself in a browser where there is one."""

import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from tests.factory import tiny_run
from wae_tf import main
from wae_tf.cli.arguments import parse
from wae_tf.errors import FlagError, RunError
from wae_tf.explore import opening, server

ROOT = Path(__file__).parents[2]


def test_a_saved_model_needs_no_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values, _ = parse(["--mode=explore", "--keras_file=wae.keras"])
    assert values.port == 7860 and values.explore_rows == 1000
    with pytest.raises(Exception, match="holds no run"):
        parse(["--mode=explore"])
    with pytest.raises(FlagError, match=r"--port is not used by --mode=train; .*--mode=explore"):
        parse(["--port=3"])
    with pytest.raises(FlagError, match="--epochs is not used by --mode=explore"):
        parse(["--mode=explore", "--keras_file=wae.keras", "--epochs=3"])
    with pytest.raises(FlagError, match="--keras_file is instead of a run: leave --work_dir out"):
        parse(["--mode=explore", "--keras_file=wae.keras", "--work_dir=run"])


def test_ports_are_ports():
    with pytest.raises(FlagError, match=r"--port=70000 is no port; accepted: 1 to 65535"):
        server.listen(70000)
    with server.listen(0) as taken:
        assert taken.getsockname()[0] == "127.0.0.1"
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=f"--port={port} cannot be had"):
            server.listen(port)
    with pytest.raises(FlagError, match="--explore_rows=-1 is negative"):
        opening.check(0, -1)


def test_without_gradio_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main.main(["--mode=explore", "--keras_file=wae.keras", "--port=0"]) == 2
    text = capsys.readouterr().err
    assert "needs gradio, which cannot be imported" in text and "pip install 'gradio>=6,<7'" in text


@pytest.fixture
def address(tmp_path):
    """Starts the page of a tiny run; gives its address and process."""
    pytest.importorskip("gradio")
    assert main.main([f"--work_dir={tmp_path / 'run'}", *tiny_run(steps=2, figure_every=0)]) == 0
    command = [sys.executable, "-m", "wae_tf.main", "--mode=explore", "--port=0"]
    command += [f"--work_dir={tmp_path / 'run'}", "--explore_rows=40"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        said = []
        for line in process.stdout:
            said.append(line)
            if "open http" in line:
                break
        else:
            pytest.fail("".join(said) + process.stderr.read())
        yield line.split("open ")[1].split()[0], process
        if process.poll() is None:
            process.kill()


@pytest.mark.slow
@pytest.mark.processes
def test_the_page_answers_on_this_machine_and_ctrl_c_ends_it(address):
    address, process = address
    page = urllib.request.urlopen(address, timeout=20).read().decode()
    assert "explore" in page
    port = int(address.rsplit(":", 1)[1])
    request = urllib.request.Request(address, headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request, timeout=20)
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port), timeout=5):
        pass  # another address of the same machine
    # A stream that every open page waits for.
    with urllib.request.urlopen(f"{address}/gradio_api/heartbeat/mine", timeout=20):
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert process.stderr.read() == (
        "wae_tf: stopped by SIGINT: the page is closed; the same command opens it again.\n"
    )


@pytest.mark.slow
@pytest.mark.processes
def test_the_page_in_a_browser(address, tmp_path):
    """Moves a slider, drops a picture, walks between two codes, takes the codes home."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium")
    address, _ = address
    from PIL import Image

    Image.fromarray(np.arange(40 * 50).reshape(40, 50).astype(np.uint8)).save(tmp_path / "a.png")
    asked, mistakes = [], []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: mistakes.append(str(error)))
        page.goto(address)
        page.wait_for_selector("#near img")
        code = page.locator("#code textarea")
        picture = page.locator("#decoded img")

        def numbers():
            return np.float32(code.input_value().split(","))

        def changes(action):
            before = picture.get_attribute("src")
            action()
            page.wait_for_function(
                "before => document.querySelector('#decoded img').src !== before",
                arg=page.evaluate("src => new URL(src, location).href", before),
            )

        assert numbers().tolist() == [0, 0, 0]
        box = page.locator("#slider0 input[type=number]")
        box.fill("1.5")
        changes(lambda: box.press("Enter"))
        assert sorted(numbers().tolist()) == [0, 0, 1.5]
        upload = page.locator("#dropped input[type=file]")
        changes(lambda: upload.set_input_files(tmp_path / "a.png"))
        page.wait_for_selector("#pair img")
        first = numbers()
        page.get_by_role("tab", name="between two").click()
        page.click("#first")
        page.wait_for_selector("#way img")
        code.fill("2, 1, -1")
        changes(lambda: page.locator("#code button").last.click())
        page.click("#last")
        page.wait_for_timeout(1000)
        page.get_by_role("tab", name="files").click()
        page.locator("#which").get_by_label("between two").check()
        page.click("#write")
        with page.expect_download() as taken:
            page.locator("#files a").first.click()
        line = np.load(taken.value.path())
        browser.close()
    np.testing.assert_allclose(line[0], first, rtol=1e-6)
    np.testing.assert_allclose(line[-1], [2, 1, -1])
    np.testing.assert_allclose(line[5] - line[4], line[1] - line[0], atol=1e-6)
    assert len(line) == 10 and not mistakes
    elsewhere = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert not elsewhere
