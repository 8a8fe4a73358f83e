"""`python push_uncached.py REMOTE`, in a clone: push results that Git keeps (`cache: false`) to a DVC remote.

`dvc push --run-cache` pushes the record of a run and its cached outputs, but not the others, without which
another machine cannot restore a stage that has any: every one here writes metrics. `dvc exp run --pull` finds
them where this puts them.
"""

import sys

from dvc.repo import Repo


def main() -> None:
    with Repo() as repo:
        outputs = [out for stage in repo.index.stages for out in stage.outs if not out.use_cache]
        hashes = {out.hash_info for out in outputs if out.hash_info}
        remote = repo.cloud.get_remote_odb(sys.argv[1])
        repo.cloud.transfer(repo.cache.local, remote, hashes, shallow=False)


if __name__ == "__main__":
    main()
