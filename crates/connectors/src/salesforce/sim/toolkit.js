// What a console's page has of Omni-Channel, over the simulated org: `omniToolkit(user)` as
// `lightning:omniToolkitAPI` answers, `omniClassic(user)` as `sforce.console.presence` does.
// Ids are those of 15 characters, as the vendor's toolkits give and take them.
(function () {
  'use strict';

  const base = new URL('.', document.currentScript.src);

  async function ask(what, body) {
    // As text: no browser asks first whether it may.
    const answer = await fetch(new URL(what, base), { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) {
      throw new Error(what + ': ' + answer.status);
    }
    return answer.status === 204 ? null : answer.json();
  }

  function shown(user) {
    return ask('shown', { user });
  }

  async function set(user, statusId) {
    if (String(statusId).length !== 15) {
      throw new Error('not an id of a presence status');
    }
    await ask('status', { user, status: statusId });
    return shown(user);
  }

  window.omniToolkit = (user) => ({
    getServicePresenceStatusId: () => shown(user),
    setServicePresenceStatus: ({ statusId }) => set(user, statusId),
    login: ({ statusId }) => set(user, statusId).then(() => true),
    logout: () => ask('log-out', { user }).then(() => true),
  });

  function called(promise, back) {
    promise.then(
      (found) => back(Object.assign({ success: true }, found)),
      () => back({ success: false }),
    );
  }

  window.omniClassic = (user) => ({
    getServicePresenceStatusId: (back) => called(shown(user), back),
    setServicePresenceStatus: (statusId, back) => called(set(user, statusId), back),
  });
})();
