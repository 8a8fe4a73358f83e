"""The study of docs/study.md: what it runs, how, and the pages and figures that its rows make."""
