// Asks the browser for the passkey that the page's form is about, and sends the answer with the form. Nothing else.
'use strict';
(() => {
  const form = document.querySelector('form[data-passkey]');
  const said = document.getElementById('passkey-said');
  const button = document.getElementById('passkey-go');
  const bytes = (text) => {
    const plain = text.replace(/-/g, '+').replace(/_/g, '/');
    return Uint8Array.from(atob(plain + '='.repeat((4 - plain.length % 4) % 4)), (c) => c.charCodeAt(0));
  };
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  const known = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  async function make(asked) {
    const made = await navigator.credentials.create({ publicKey: {
      ...asked, challenge: bytes(asked.challenge), user: { ...asked.user, id: bytes(asked.user.id) },
      excludeCredentials: known(asked.excludeCredentials),
    } });
    const { response } = made;
    return { id: made.id, rawId: text(made.rawId), type: made.type, extensions: {}, response: {
      attestationObject: text(response.attestationObject), clientDataJSON: text(response.clientDataJSON),
    } };
  }

  async function show(asked) {
    const shown = await navigator.credentials.get({ publicKey: {
      ...asked, challenge: bytes(asked.challenge), allowCredentials: known(asked.allowCredentials),
    } });
    const { response } = shown;
    return { id: shown.id, rawId: text(shown.rawId), type: shown.type, extensions: {}, response: {
      authenticatorData: text(response.authenticatorData), clientDataJSON: text(response.clientDataJSON),
      signature: text(response.signature), userHandle: response.userHandle ? text(response.userHandle) : null,
    } };
  }

  async function go() {
    button.disabled = true;
    said.textContent = 'Follow what your browser or device asks.';
    try {
      const asked = JSON.parse(form.dataset.options).publicKey;
      const answer = form.dataset.passkey === 'make' ? await make(asked) : await show(asked);
      form.elements.credential.value = JSON.stringify(answer);
      form.submit();
    } catch (error) {
      button.disabled = false;
      said.textContent = error.name === 'InvalidStateError'
        ? 'This device already holds a passkey for you here.'
        : 'That did not work, or it was stopped. You can try again.';
    }
  }

  if (!window.PublicKeyCredential) {
    said.textContent = 'This browser knows no passkeys. Go back and use another way.';
    return;
  }
  said.textContent = '';
  button.hidden = false;
  button.addEventListener('click', go);
  if (form.dataset.passkey === 'show') go();
})();
