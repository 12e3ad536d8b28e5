"""How the debug page looks, on a wide screen and on a phone, light and dark."""

from pagi.messages.page import PALETTE

STYLE = (
    PALETTE
    + """
.wide { width: 100%; max-width: 76rem; margin: 0 auto; padding: 0 clamp(1rem, 4vw, 2.5rem); }
header {
  padding: clamp(1.5rem, 4vw, 2.5rem) 0; background: var(--card); border-bottom: 1px solid var(--line);
  border-top: 4px solid var(--bad);
}
.asked {
  display: flex; flex-wrap: wrap; gap: 0.15rem 1.25rem; color: var(--soft); font: 0.875rem/1.5 var(--mono);
  overflow-wrap: anywhere;
}
h1 {
  margin-top: 0.5rem; color: var(--bad); font-size: clamp(1.5rem, 5vw, 2.2rem); line-height: 1.2;
  letter-spacing: -0.02em; overflow-wrap: anywhere;
}
.message { margin-top: 0.5rem; font-size: 1.1rem; white-space: pre-wrap; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; line-height: 1.35; overflow-wrap: anywhere; }
h2 small { display: block; color: var(--soft); font-size: 0.875rem; font-weight: 400; }
h3 { margin: 1.25rem 0 0.4rem; color: var(--soft); font-size: 0.875rem; font-weight: 600; }
section { margin: clamp(1.25rem, 3vw, 2rem) 0; }
.failure.inner { padding-left: clamp(0.75rem, 2vw, 1.25rem); border-left: 3px solid var(--line); }
.failure > h2 + .message { font-size: 1rem; }
details { margin-top: 0.6rem; }
summary { cursor: pointer; }
summary:focus-visible, pre:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.frame { background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem; overflow: hidden; }
.frame > summary { padding: 0.65rem 1rem; font: 0.875rem/1.5 var(--mono); overflow-wrap: anywhere; }
.function { margin-right: 0.6rem; font-weight: 600; }
.place { color: var(--soft); }
.place b { color: var(--ink); font-weight: 600; }
.library > summary, .gap { padding: 0.15rem 0.25rem; color: var(--soft); font-size: 0.875rem; }
.library[open] { padding-left: 0.75rem; border-left: 3px solid var(--line); }
.source {
  margin: 0; padding: 0.6rem 0; overflow-x: auto; background: var(--code); border-top: 1px solid var(--line);
  font: 0.8125rem/1.7 var(--mono); tab-size: 4;
}
.source code { display: block; width: max-content; min-width: 100%; font: inherit; }
.line { display: block; padding-right: 1rem; }
.line i {
  display: inline-block; width: 3.5rem; padding-right: 1rem; color: var(--soft); font-style: normal; text-align: right;
  user-select: none;
}
.here { background: var(--mark); font-weight: 600; }
.here i { color: var(--bad); }
mark { background: none; color: var(--bad); text-decoration: underline; text-underline-offset: 0.25em; }
.variables { margin: 0; padding: 0.55rem 1rem; border-top: 1px solid var(--line); }
.variables > summary { color: var(--soft); font-size: 0.875rem; }
.variables table { margin: 0.5rem 0 0.25rem; border: 0; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; font: 0.8125rem/1.6 var(--mono); }
.request table { background: var(--card); border: 1px solid var(--line); }
th, td {
  padding: 0.35rem 0.75rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  white-space: pre-wrap; overflow-wrap: anywhere;
}
th { width: 14rem; color: var(--soft); font-weight: 400; }
.variables th, .variables td { padding-left: 0; }
tr:last-child > * { border-bottom: 0; }
@media (max-width: 40rem) {
  .place { display: block; font-size: 0.8125rem; }
  .line i { width: 2.75rem; padding-right: 0.75rem; }
  th { width: 36%; }
}
"""
)
