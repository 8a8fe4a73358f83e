"""Claims about the page and its Markdown twin: complete, self-contained, escaped."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from pipeline import params
from pipeline.files import InputError
from pipeline.report import page, words
from pipeline.report.interpretation import section as interpret
from pipeline.report.tables import title
from tests.report import samples
from tests.report.interpret_sample import interpretation

SPREAD = ["rankme", "feature_std", "mean_cosine", "knn_accuracy", "ridge_accuracy"]


@pytest.fixture(scope="module")
def inputs() -> page.Inputs:
    probe = samples.probe()
    probe["scenes"]["shape"]["another_view"] = {"accuracy": 0.66, "ci95_low": 0.65, "ci95_high": 0.67}
    probe["cifar100"] = {"fine class": {"encoder": {"accuracy": 0.31}, "random_init": {"accuracy": 0.2}}}
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    return page.Inputs(
        params=params.load(samples.REPOSITORY / "params.yaml"),
        prepare=samples.prepare(),
        pretrain=samples.pretrain(),
        probe=probe,
        training=samples.training(),
        interaction=samples.interaction(),
        pictures=pictures,
        captions=[[(samples.NASTY, "<script>alert(1)</script>")], [("shape", "*a* | b")]],
        context=np.array([[0, 1], [2, 3]]),
        targets=np.array([[[10, 11]], [[14, 15]]]),
        grid=4,
        interpretation=sample_interpretation(),
    )


def sample_interpretation() -> interpret.Inputs:
    metrics, tables = interpretation()
    rows = interpret.needed_images(tables)
    shown = dict.fromkeys(rows, np.zeros((32, 32, 3), dtype=np.uint8))
    return interpret.Inputs(metrics["scenes"], tables, shown, grid=4)


@pytest.fixture(scope="module")
def content(inputs: page.Inputs) -> page.Content:
    return page.compose(inputs)


class Loads(HTMLParser):
    """Everything that a browser would fetch, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        names = ("src", "href", "xlink:href", "srcset", "data", "poster")
        self.found += [value or "" for name, value in attrs if name in names and tag != "a"]


def loads(html: str) -> Loads:
    parser = Loads()
    parser.feed(html)
    return parser


def test_the_page_loads_nothing(content: page.Content):
    html = page.render_page(content)
    assert all(target.startswith(("data:", "#")) for target in loads(html).found)
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)", html))
    assert "@import" not in html
    assert "script" not in loads(html).tags


def test_every_set_label_and_view_appears(inputs: page.Inputs, content: page.Content):
    html, readme = page.render_page(content), page.render_readme(content)
    for name, labels in inputs.probe.items():
        if name == "summary":
            continue
        assert name in html
        assert name in readme
        for label, views in labels.items():
            if label != samples.NASTY:
                assert f'<th scope="row">{label.replace("_", " ")}</th>' in html
                assert f"| {label.replace('_', ' ')} |" in readme
            for view in views:
                assert f'<th scope="col">{title(view)}</th>' in html
                assert f" {title(view)} |" in readme


def test_all_params_but_the_machines_are_shown(inputs: page.Inputs, content: page.Content):
    html = page.render_page(content)
    for section in type(inputs.params).model_fields:
        assert (f"\n{section}:" in html or f"<pre>{section}:" in html) == (section != "runtime")


def test_names_are_escaped(content: page.Content):
    html, readme = page.render_page(content), page.render_readme(content)
    assert "<script" not in html + readme
    assert '<b>&"c' not in html + readme
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert r"\*a\* \| b" in readme


def test_every_figure_of_the_readme_is_written_and_the_other_way_round(content: page.Content):
    assert set(re.findall(r"figures/([\w.]+)", page.render_readme(content))) == set(content.files())


def test_the_sparse_module_has_a_section_and_without_one_there_is_none(inputs: page.Inputs):
    sparse = page.compose(inputs)
    dense = page.compose(
        replace(
            inputs,
            pretrain=samples.pretrain(zero_share=None, sparsity={"method": "none"}),
            interaction=samples.interaction().head(0),
        )
    )
    for render in (page.render_page, page.render_readme):
        shown, plain = render(sparse), render(dense)
        assert "SparseJEPA (oi-VAE) on scenes" in shown and "66.7 % of the 4 × 6 columns" in shown
        assert "I-JEPA on scenes" in plain and "SparseJEPA (" not in plain
        assert "What the sparse module did" in shown and "What the sparse module did" not in plain
    assert "interaction.svg" in sparse.files() and "interaction.svg" not in dense.files()


def test_without_monitors_there_is_no_nan(inputs: page.Inputs):
    history = inputs.training.assign(**dict.fromkeys(SPREAD, np.nan))
    content = page.compose(replace(inputs, training=history))
    html = page.render_page(content)
    visible = re.sub(r"data:[^\"]*", "", html)
    assert not re.search(r"\bnan\b", visible, re.IGNORECASE)
    assert "training_rankme.svg" not in content.files()
    assert "training_loss.svg" in content.files()


def test_numbers_that_are_null_are_dashes(inputs: page.Inputs, content: page.Content):
    nothing = words.what_ran("scenes", inputs.prepare, dict.fromkeys(inputs.pretrain))
    shown = page.render_page(replace(content, ran=nothing, commit=""))
    assert "None" not in shown
    assert "<dd>–</dd>" in shown
    assert "git checkout" not in shown


@pytest.mark.parametrize("tone", ["bad", "mixed", "good"])
def test_only_a_bad_verdict_is_a_warning(content: page.Content, tone: words.Tone):
    content = replace(content, verdict=words.Verdict("Words.", tone))
    assert ("<strong>Warning.</strong>" in page.render_page(content)) == (tone == "bad")
    assert ("[!WARNING]" in page.render_readme(content)) == (tone == "bad")


def test_metrics_of_another_set_are_refused(inputs: page.Inputs):
    with pytest.raises(InputError, match=r"probe\.json: has no set scenes"):
        page.compose(replace(inputs, probe={"summary": {}}))


def test_photographs_keep_the_page_small(inputs: page.Inputs):
    pictures = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
    content = page.compose(
        replace(
            inputs,
            training=inputs.training[["step"]],
            pictures=pictures,
            captions=[[("class", "noise")]] * 8,
            context=np.tile(np.arange(0, 196, 2), (8, 1)),
            targets=np.tile([[1, 3], [5, 7]], (8, 1, 1)),
            grid=14,
        )
    )
    assert len(page.render_page(content)) < 1.5e6


def test_single_patches_and_other_probes_have_tables_of_their_own(content: page.Content):
    for text in (page.render_page(content), page.render_readme(content)):
        assert text.index("Other probes of the same features") < text.index("Single patches")
        assert text.index("Single patches") < text.index("patch object")
        assert text.count("patch object") == 1
        assert "1 % of the labels" in text and "± 1.2" in text
