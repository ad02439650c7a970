// On Locust's own page: says why a run did not start, or failed. The text goes in by textContent.

const EVERY_MS = 2000;
const box = document.getElementById("chatload-notice");

async function ask() {
  try {
    const answer = await fetch("./chatload/notice.json", { cache: "no-store" });
    if (answer.ok) {
      const { lines } = await answer.json();
      box.textContent = lines.join("\n");
      box.hidden = !lines.length;
    }
  } catch {
    // Locust's page itself says when it cannot reach Locust.
  }
  setTimeout(ask, document.hidden ? 4 * EVERY_MS : EVERY_MS);
}

ask();
