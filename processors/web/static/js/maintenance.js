// Maintenance windows: one POST to set one, one to end it. Nothing is queued while offline.
import { post, toast } from "./actions.js";
import { say } from "./format.js";

const form = document.getElementById("plan");

async function plan(button) {
  const error = form.querySelector(".err");
  const [kind, name] = form.elements.scope.value.split(/:(.*)/);
  const reason = form.elements.reason.value.trim();
  error.hidden = true;
  if (!reason) {
    error.textContent = say("form.needed");
    error.hidden = false;
    form.elements.reason.focus();
    return false;
  }
  button.disabled = true;
  try {
    const which = kind === "area" ? { area: name } : { meters: [name] };
    await post("/api/v1/maintenance", { ...which, from: form.elements.from.value, to: form.elements.to.value, reason });
  } catch (problem) {
    error.textContent = problem.message;
    error.hidden = false;
    return false;
  } finally {
    button.disabled = false;
  }
  form.elements.reason.value = "";
  toast(say("mw.done"), { seconds: 5 });
  return true;
}

async function end(id) {
  try {
    await post(`/api/v1/maintenance/${encodeURIComponent(id)}/end`, {});
    toast(say("mw.ended"), { seconds: 5 });
  } catch (problem) {
    toast(problem.message);
  }
}

export function maintenance(refreshRegions) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-plan], [data-end]");
    if (!button) return;
    if (button.dataset.end) await end(button.dataset.end);
    else if (!(await plan(button))) return;
    refreshRegions();
  });
}
