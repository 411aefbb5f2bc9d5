// Passkeys. A form with data-passkey is sent with the answer of the browser to the options at that
// address: it makes a passkey if it has data-passkey-new, and signs in by one otherwise.

const { credentials } = navigator;
const supported = Boolean(credentials && window.PublicKeyCredential?.parseCreationOptionsFromJSON);
const selector = "form[data-passkey]";

let answered = null; // the form that has an answer
let offered; // ends the offer in the field of the address

/** Has the browser make or use a passkey, and sends the form with its answer. */
async function ask(form, offer) {
  const { options } = await fetchOptions(form);
  const answer = "passkeyNew" in form.dataset
    ? await credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
    : await credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options), ...offer });
  form.elements.credential.value = JSON.stringify(answer);
  answered = form;
  form.requestSubmit();
}

async function fetchOptions(form) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  const response = await fetch(form.dataset.passkey, { method: "POST", headers, body: "{}" });
  const body = await response.json();
  if (response.status === 401) location.reload(); // the page leads to where one signs in
  if (!response.ok) throw new Error(Object.values(body.error.problems ?? {}).flat()[0] ?? body.error.message);
  return body;
}

/** Says in a form what went wrong. */
function show(form, error) {
  const texts = {
    AbortError: "",
    InvalidStateError: "This device has a passkey of your account already.",
    NotAllowedError: "No passkey was used. Try again, or go on without one.",
    SecurityError: "The browser allows no passkeys at this address.",
  };
  const problem = form.querySelector("[data-problem=credential]");
  problem.textContent = texts[error.name] ?? error.message;
  problem.hidden = !problem.textContent;
}

// Before the library of the page, which would send the form at once.
window.addEventListener("submit", async event => {
  const form = event.target;
  if (!supported || !form.matches(selector)) return;
  if (form === answered) return void (answered = null);
  event.preventDefault();
  event.stopPropagation();
  offered?.abort();
  show(form, { message: "" });
  const button = form.querySelector("button:not([type=button])");
  button.disabled = true;
  await ask(form).catch(error => show(form, error));
  button.disabled = false;
}, true);

/** Has the browser offer passkeys in the field with autocomplete="webauthn". */
async function offer(form) {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  offered = new AbortController();
  await ask(form, { mediation: "conditional", signal: offered.signal }).catch(() => {}); // nobody has asked for it
}

if (supported) {
  for (const element of document.querySelectorAll("[data-no-passkeys]")) element.hidden = true;
  for (const form of document.querySelectorAll(selector)) {
    form.hidden = false;
    if (!("passkeyNew" in form.dataset)) void offer(form);
  }
}
