from __future__ import annotations

from pathlib import Path

from lookout.comparison.machine import commit_of

COMMIT = "5" * 40


def lay(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_commit_is_found_loose_packed_detached_and_from_a_worktree(tmp_path: Path):
    git = tmp_path / "plain" / ".git"
    lay(git, HEAD="ref: refs/heads/main\n", refs__heads__main=f"{COMMIT}\n")
    assert commit_of(tmp_path / "plain") == COMMIT
    lay(tmp_path / "packed" / ".git", HEAD="ref: refs/heads/main\n")
    (tmp_path / "packed" / ".git" / "packed-refs").write_text(f"# pack-refs with: peeled\n{COMMIT} refs/heads/main\n")
    assert commit_of(tmp_path / "packed") == COMMIT
    lay(tmp_path / "detached" / ".git", HEAD=f"{COMMIT}\n")
    assert commit_of(tmp_path / "detached") == COMMIT
    lay(git / "worktrees" / "tree", HEAD="ref: refs/heads/main\n", commondir="../..\n")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / ".git").write_text(f"gitdir: {git / 'worktrees' / 'tree'}\n")
    assert commit_of(tmp_path / "tree") == COMMIT


def test_what_is_no_checkout_has_no_commit(tmp_path: Path):
    assert commit_of(tmp_path) is None
    lay(tmp_path / ".git", HEAD="ref: refs/heads/gone\n")
    assert commit_of(tmp_path) is None
