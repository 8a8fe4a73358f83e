"""The dial of lambda on a finished run's features."""

import pandas as pd
import yaml

from benchmarks import dial


def test_a_row_for_each_size_and_lambda(finished_run, tmp_path, capsys):
    tree = finished_run.params.model_dump(mode="json", by_alias=True)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    (tmp_path / "artifacts").symlink_to(finished_run.root / "artifacts")
    words = ["a", str(tmp_path), "--folder", str(tmp_path), "--lambdas", "0", "1", "--latents", "4"]
    assert dial.main([*words, "--groups", "2", "4"]) == 0
    rows = pd.read_csv(tmp_path / "a.csv")
    assert rows["groups"].tolist() == [2, 4, 2, 4] and rows["lambda"].tolist() == [0, 0, 1, 1]
    assert (rows.loc[rows["lambda"] == 0, "zero share"] == 0).all()
    assert (rows["lambda_max"] > 0).all() and capsys.readouterr().out.startswith("1 of 4: ")


def test_a_folder_without_a_run_is_one_line(tmp_path, capsys):
    assert dial.main(["a", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: ")
