"""Claims about the page and its Markdown twin: complete, self-contained, escaped."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import override

from pipeline.contracts.pretrain import Sparsity
from pipeline.params import Params
from pipeline.report import page, words
from pipeline.report.content import Content, compose
from pipeline.report.inputs import Inputs
from pipeline.report.tables import ONLY_IN_KINDS, title
from tests.finished_run import FinishedRun
from tests.report.samples import NASTY, nasty_probe, without_twin

Render = Callable[[Content], str]
SPREAD = ["rankme", "feature_std", "mean_cosine", "knn_accuracy", "ridge_accuracy"]


@pytest.fixture(scope="module")
def nasty(inputs: Inputs) -> Inputs:
    captions = [[(NASTY, "<script>alert(1)</script>")], [("shape", "*a* | b")]]
    return replace(
        inputs,
        probe=nasty_probe(inputs.probe),
        pictures=inputs.pictures[:2],
        captions=captions,
        context=inputs.context[:2],
        targets=inputs.targets[:2],
    )


@pytest.fixture(scope="module")
def content(nasty: Inputs) -> Content:
    return compose(nasty)


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


def test_the_page_loads_nothing(content: Content):
    html = page.render_page(content)
    assert all(target.startswith(("data:", "#")) for target in loads(html).found)
    styles = html[: html.index("</style>")]
    assert "url(" not in styles
    assert "@import" not in html
    assert html.count("<script>") == 2 and "<script src" not in html


def test_every_set_label_and_view_appears(nasty: Inputs, content: Content):
    html, readme = page.render_page(content), page.render_readme(content)
    for name, labels in nasty.probe.sets.items():
        assert name in html
        assert name in readme
        for label, views in labels.items():
            if label != NASTY:
                assert f'<th scope="row">{label.replace("_", " ")}</th>' in html
                assert f"| {label.replace('_', ' ')} |" in readme
            for view in views:
                assert f'<th scope="col">{title(view)}</th>' in html or view in ONLY_IN_KINDS
                assert f" {title(view)} |" in readme


def test_all_params_but_the_machines_are_shown(inputs: Inputs, content: Content):
    html = page.render_page(content)
    for section in type(inputs.params).model_fields:
        assert (f"\n{section}:" in html or f"<pre>{section}:" in html) == (section != "runtime")


def test_names_are_escaped(content: Content):
    html, readme = page.render_page(content), page.render_readme(content)
    assert "<script" not in readme and "<script>alert" not in html
    assert '<b>&"c' not in html + readme
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert r"\*a\* \| b" in readme


def test_every_figure_of_the_readme_is_written_and_the_other_way_round(content: Content):
    assert set(re.findall(r"figures/([\w.]+)", page.render_readme(content))) == set(content.files())


def test_the_sparse_module_has_a_section_and_without_one_there_is_none(inputs: Inputs):
    module = inputs.pretrain.sparsity.model_copy(update={"zero_share": 2 / 3})
    sparse = compose(replace(inputs, pretrain=inputs.pretrain.model_copy(update={"sparsity": module})))
    none = Sparsity.model_validate({"method": "none"})
    without = inputs.pretrain.model_copy(update={"zero_share": None, "sparsity": none})
    dense = compose(replace(inputs, pretrain=without, interaction=inputs.interaction.head(0)))
    for render in (page.render_page, page.render_readme):
        shown, plain = (
            re.sub("<script>.*?</script>", "", render(each), flags=re.DOTALL) for each in (sparse, dense)
        )
        assert "SparseJEPA (oi-VAE) on scenes" in shown and "66.7 % of the 4 × 6 columns" in shown
        assert "I-JEPA on scenes" in plain and "SparseJEPA (" not in plain
        assert "What the sparse module did" in shown and "What the sparse module did" not in plain
    assert "interaction.svg" in sparse.files() and "interaction.svg" not in dense.files()


@pytest.mark.parametrize("render", [page.render_page, page.render_readme])
def test_a_run_with_a_twin_opens_with_what_the_method_changed(content: Content, render: Render):
    text = render(content)
    lead, figure = text.index("a linear probe reads"), text.rindex("What the method changed")
    assert lead < figure < text.rindex("What a linear probe reads")
    assert "not other seeds of pretraining" in text
    first = re.search(r"<svg|figures/\w+", text)
    assert first is not None and first.group() in ("<svg", "figures/less_twin_scenes")
    assert figure < first.start() < text.rindex("What was trained, on what")


@pytest.mark.parametrize("render", [page.render_page, page.render_readme])
def test_without_a_twin_nothing_is_said_of_one(inputs: Inputs, render: Render):
    content = compose(without_twin(inputs))
    assert content.verdict.lead == ""
    assert [name for name in content.files() if "twin" in name] == ["less_twin_scenes.svg"]
    assert "twin" not in re.sub(r"twin: (true|false)", "", render(content))  # but in the params


def test_without_a_twin_the_file_of_the_first_figure_says_why(inputs: Inputs):
    written = compose(without_twin(inputs)).files()["less_twin_scenes.svg"].decode()
    assert "no dense twin" in written and "<path" not in written


def test_a_run_that_is_its_own_twin_says_so(inputs: Inputs):
    tree = inputs.params.model_dump(mode="json", by_alias=True)
    changes = {"sparsity.method": "none", "regularizer.name": "vicreg"}
    content = compose(replace(inputs, params=Params.model_validate(override(tree, changes))))
    said = f"{content.verdict.lead} {content.verdict.text}"  # after the text where pretraining taught nothing
    assert "This run has no sparsity: it and its dense twin are the same run." in said
    assert content.sets[0].twin is None


def test_every_table_has_the_twin_beside_the_encoder(content: Content):
    for part in content.sets:
        for table in [*(table for table, _ in part.tables), *part.patches]:
            assert table.views[:2] == ("encoder", "twin") or part.name != "scenes"
    kinds = content.sets[0].kinds
    assert kinds is not None and {"twin", "twin_last_blocks"} <= {view for view, _ in kinds.rows}
    assert content.interpretation.columns[:2] == ["this run's groups", "dense twin"]
    assert content.interpretation.information[1][0] == "dense twin"


def test_the_maps_of_the_twin_stand_below_those_of_the_run(content: Content):
    assert [words for words, _ in content.interpretation.objects] == [
        "test image",
        "masks of objects",
        "strongest group, this run",
        "strongest group, dense twin",
        "best group, this run",
        "best group, dense twin",
        "clusters of colour and place",
        "clusters of this run's tokens",
        "clusters of the dense twin's tokens",
    ]
    assert len({len(tiles) for _, tiles in content.interpretation.objects}) == 1


def test_what_ran_says_which_labels_an_augmentation_would_falsify(content: Content):
    reason = "crop off: it would falsify count, shape and 10 other labels"
    assert reason in page.render_page(content)
    assert reason in page.render_readme(content)


def test_a_number_of_the_groups_stands_at_the_top_with_its_z(inputs: Inputs, content: Content):
    headline = inputs.interpretation.headline
    assert headline.mig is not None and headline.mig_null_z is not None
    z = f"{headline.mig_null_z:.1f}".replace("-", "−")
    assert (
        f"{headline.mig:.3f}",
        f"lead of a factor’s best group (MIG); z {z} against random groups",
    ) in content.stats
    html = page.render_page(content)
    assert html.index(f"(MIG); z {z}") < html.index("<h2>What a linear probe reads")


def test_labels_are_explained_once_where_the_set_is_of_scenes(nasty: Inputs, content: Content):
    html = page.render_page(content)
    assert html.count("What the labels are, and how hard they are") == 1
    assert html.count("The direction of the stripes on the objects") == 1
    parts = {part.name: part for part in content.sets}
    assert {about.name for about in parts["scenes"].labels} == set(nasty.probe.sets["scenes"]) - {NASTY}
    assert parts["cifar100"].labels == ()


def test_without_monitors_there_is_no_nan(inputs: Inputs):
    history = inputs.training.assign(**dict.fromkeys(SPREAD, np.nan))
    content = compose(replace(inputs, training=history))
    html = page.render_page(content)
    visible = re.sub(r"<script.*?</script>|data:[^\"]*", "", html, flags=re.DOTALL)
    assert not re.search(r"\bnan\b", visible, re.IGNORECASE)
    assert "training_rankme.svg" not in content.files()
    assert "training_loss.svg" in content.files()


def test_numbers_that_are_null_are_dashes(inputs: Inputs, content: Content):
    fields = ("epochs", "minutes", "images_per_second", "peak_memory_mb", "commit")
    unknown = inputs.pretrain.model_copy(update=dict.fromkeys(fields))
    nothing = words.what_ran("scenes", inputs.prepare, unknown)
    shown = page.render_page(replace(content, ran=nothing))
    assert "None" not in re.sub("<script>.*?</script>", "", shown, flags=re.DOTALL)
    assert "<dd>–, – images per second</dd>" in shown
    assert "git checkout" not in shown


@pytest.mark.parametrize("tone", ["bad", "mixed", "good"])
def test_only_a_bad_verdict_is_a_warning(content: Content, tone: words.Tone):
    content = replace(content, verdict=words.Verdict("Words.", tone))
    assert ("<strong>Warning.</strong>" in page.render_page(content)) == (tone == "bad")
    assert ("[!WARNING]" in page.render_readme(content)) == (tone == "bad")


def test_every_section_is_in_the_contents_and_the_other_way_round(content: Content):
    html = page.render_page(content)
    assert re.findall('<section id="([a-z0-9]+)"', html) == [anchor for anchor, _ in content.contents]
    assert re.findall('<li><a href="#([a-z0-9]+)"', html) == [anchor for anchor, _ in content.contents]


def test_every_download_is_a_file_of_the_run(finished_run: FinishedRun, content: Content):
    written = [
        it.path for it in content.downloads if it.path != "metrics/summary.json"
    ]  # the report writes it
    assert all((finished_run.root / "reports" / path).is_file() for path in written)
    html, readme = page.render_page(content), page.render_readme(content)
    assert all(f'href="{it.path}" download' in html and f"]({it.path})" in readme for it in content.downloads)


def test_markdown_has_quotes_as_they_are_and_intervals_on_one_line(content: Content):
    readme = page.render_readme(content)
    assert "&#39;" not in readme and "&#34;" not in readme
    assert "](index.html)" not in readme  # a code host shows its source only
    rows = [line for line in readme.splitlines() if line.startswith("|") and " to " in line]
    table = readme[readme.index("| 95 % interval | gain") :].partition("\n\n")[0]
    assert rows and " to " not in table and "\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}" in table
    cells = {line.replace("\\|", "").count("|") for line in table.splitlines()[2:] if line}
    assert len(cells) == 1  # a row is one line, as wide as the others


def test_photographs_keep_the_page_small(inputs: Inputs):
    pictures = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
    content = compose(
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
    assert len(page.render_page(content)) < 5e6


def test_single_patches_and_other_probes_have_tables_of_their_own(content: Content):
    for text in (page.render_page(content), page.render_readme(content)):
        assert text.index("Other probes of the same features") < text.index("Single patches")
        assert text.index("Single patches") < text.index("patch object")
        assert text.count("patch object") == 2  # its row, and what it is
        assert "20 % of the labels" in text and re.search(r"± \d", text)
