"""What is said of a processor before a training in half precision: from faked files of Linux's."""

import pytest

from tests.factory import TINY, tiny_model
from wae_tf.config import Config
from wae_tf.settings import devices, processor
from wae_tf.training import expectation, pace
from wae_tf.training.programs import Length


@pytest.fixture
def has(tmp_path, monkeypatch):
    """Makes this processor one of these abilities."""

    def made(flags, name="flags"):
        file = tmp_path / "cpuinfo"
        file.write_text(f"processor : 0\nmodel name\t: A processor\n{name}\t\t: fpu {flags}\n" * 2)
        monkeypatch.setattr(processor, "CPUINFO", file)

    return made


AGAINST = "float32 is advised"


@pytest.mark.parametrize(
    ("flags", "precision", "found"),
    [
        (
            "avx2 fma",
            "mixed_bfloat16",
            "neither AVX512_BF16 nor AMX_BF16: in mixed_bfloat16 convol",
        ),
        ("avx2 avx512f avx512_bf16", "mixed_float16", "neither AVX512_FP16 nor AMX_FP16"),
        (
            "avx512f avx512_bf16",
            "mixed_bfloat16",
            "has AVX512_BF16 for mixed_bfloat16: on one like it convolutions of 256",
        ),
        (
            "avx512_bf16 amx_bf16",
            "mixed_bfloat16",
            "AVX512_BF16 and AMX_BF16 for mixed_bfloat16: on one like it convolutions of 256",
        ),
        ("avx512_fp16", "mixed_float16", "AVX512_FP16 for mixed_float16: its gain is not measured"),
    ],
)
def test_a_processor_is_told_with_what_it_means(has, flags, precision, found):
    has(flags)
    said = processor.on_half(precision)
    assert found in said and (AGAINST in said) == ("neither" in found)
    assert processor.against_half(precision) == (said if "neither" in found else None)


def test_of_arm_its_own_names_are_read(has):
    has("asimd bf16", name="Features")
    assert "BF16 for mixed_bfloat16" in processor.on_half("mixed_bfloat16")


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_full_precision_needs_nothing(has, precision):
    has("avx2")
    assert processor.on_half(precision) is processor.against_half(precision) is None


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"flags"])
def test_a_processor_that_is_not_known_is_not_judged(tmp_path, monkeypatch, content):
    file = tmp_path / "cpuinfo"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr(processor, "CPUINFO", file)
    assert processor.on_half("mixed_bfloat16") is None


@pytest.fixture
def cpus(monkeypatch):
    monkeypatch.setattr(devices, "has_gpu", lambda: False)
    monkeypatch.setattr(pace, "operations_a_second", lambda: 1e11)


def test_it_is_a_line_before_training(has, cpus):
    has("avx2")
    half = Config(**TINY, precision="mixed_bfloat16")
    model = tiny_model(precision="mixed_bfloat16", compiled=False)
    _, estimated, told = expectation.lines(model, half, Length(10, 100), 0)
    assert estimated.startswith("(estimated as in float32: ") and told.endswith(AGAINST)
    _, estimated = expectation.lines(model, Config(**TINY), Length(10, 100), 0)
    assert estimated.startswith("(estimated: ")


def test_fit_warns_where_it_is_slow(has, cpus, rng):
    images = rng.randint(0, 256, (8, 6, 6, 1), "uint8")
    model = tiny_model(precision="mixed_bfloat16")
    has("avx2")
    with pytest.warns(UserWarning, match=f"in mixed_bfloat16 convolutions .*{AGAINST}"):
        model.fit(images, batch_size=4, verbose=0)
    has("avx512_bf16")
    model.fit(images, batch_size=4, verbose=0)  # a warning would be an error here
