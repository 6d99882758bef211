"""The one style sheet: system fonts, WCAG AA contrast in light and dark, nothing loaded from elsewhere."""

from __future__ import annotations

from typing import Final

STYLE: Final = b"""\
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ground: #eef1f5; --ink: #1b2430; --quiet: #51606f; --line: #d3dae2;
  --act: #0b5cad; --act-ink: #ffffff; --note: #fff4d6; --note-ink: #533d00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #1c232c; --ground: #12171d; --ink: #e8edf3; --quiet: #a5b2bf; --line: #3a4653;
    --act: #7db8f5; --act-ink: #0c1a29; --note: #3a2f10; --note-ink: #f5dfa6;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 1.5rem 1rem; min-height: 100vh; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main {
  max-width: 36rem; margin: 4vh auto 0; padding: 2rem; background: var(--paper);
  border: 1px solid var(--line); border-radius: 0.75rem; overflow-wrap: anywhere;
}
h1 { margin: 0 0 0.75rem; font-size: 1.5rem; line-height: 1.25; text-wrap: balance; }
h2 { margin: 1.5rem 0 0.25rem; font-size: 1.1rem; }
p { margin: 0 0 1rem; }
main > :last-child { margin-bottom: 0; }
dl {
  display: grid; grid-template-columns: minmax(8rem, auto) 1fr; margin: 1.25rem 0; border-top: 1px solid var(--line);
}
dt, dd { margin: 0; padding: 0.6rem 0; border-bottom: 1px solid var(--line); }
dt { padding-right: 1.25rem; color: var(--quiet); }
dd ul { margin: 0; padding: 0; list-style: none; }
code { font: 0.925em ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
.quiet { color: var(--quiet); font-size: 0.9rem; }
.note { padding: 0.75rem 1rem; background: var(--note); color: var(--note-ink); border-radius: 0.5rem; }
.actions { display: flex; flex-wrap: wrap; gap: 0.75rem; margin: 1.5rem 0 1rem; }
button, a.button {
  display: inline-block; min-height: 2.75rem; padding: 0.5rem 1.5rem;
  border: 2px solid var(--act); border-radius: 0.5rem; cursor: pointer;
  background: transparent; color: var(--act); font: inherit; font-weight: 600; text-decoration: none;
}
button.act, a.button { background: var(--act); color: var(--act-ink); }
label { display: block; margin-bottom: 0.25rem; font-weight: 600; }
input[type="password"] {
  width: 100%; min-height: 2.75rem; margin-bottom: 1rem; padding: 0.5rem 0.75rem; border: 1px solid var(--quiet);
  border-radius: 0.5rem; background: var(--paper); color: inherit; font: inherit;
}
a { color: var(--act); }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; }
@media (max-width: 30rem) {
  main { padding: 1.25rem; margin-top: 0; }
  dl { grid-template-columns: 1fr; }
  dt { padding-bottom: 0; border-bottom: 0; }
  dd { padding-top: 0; }
  .actions > * { flex: 1 1 100%; text-align: center; }
}
"""
