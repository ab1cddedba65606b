// The answer with its claims marked, and the list of claims below; either chooses a claim.
// All text is set with textContent: whatever an answer contains stays text.
function node(name, cls, text) {
  const made = document.createElement(name);
  made.className = cls;
  if (text !== undefined) made.textContent = text;
  return made;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector("#root");
  const choose = (id) => () => setTriggerValue("chosen", id);

  const answer = node("div", "answer");
  for (const part of data.parts) {
    if (part.claim === null) {
      answer.appendChild(document.createTextNode(part.text));
      continue;
    }
    // A span, not a button: a long claim must wrap like the text around it.
    const button = node("span", "claim " + part.tone);
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    button.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      choose(part.claim)();
    };
    button.setAttribute("aria-pressed", String(part.claim === data.chosen));
    button.title = part.title;
    button.appendChild(node("span", "icon", part.icon));
    button.appendChild(document.createTextNode(part.text));
    button.onclick = choose(part.claim);
    answer.appendChild(button);
  }

  const list = node("ul", "list");
  for (const claim of data.claims) {
    const row = node("button", "row " + claim.tone);
    row.setAttribute("aria-pressed", String(claim.id === data.chosen));
    row.appendChild(node("span", "verdict", claim.verdict));
    row.appendChild(node("span", "words", claim.text));
    row.appendChild(node("span", "side", claim.side));
    row.onclick = choose(claim.id);
    const item = document.createElement("li");
    item.appendChild(row);
    list.appendChild(item);
  }
  root.replaceChildren(answer, list);
}
