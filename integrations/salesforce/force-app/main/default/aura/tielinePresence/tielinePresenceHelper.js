({
    start: function (component) {
        if (component.get('v.bridge')) {
            return;
        }
        var helper = this;
        var vendors = window.TielinePresence.lightning(component.find('omniToolkit'));
        // What is called later is outside of the framework's own turns.
        var bridge = new window.TielinePresence.Bridge({
            ticket: $A.getCallback(function () {
                return helper.ticket(component);
            }),
            toolkit: {
                get: $A.getCallback(function () {
                    return vendors.get();
                }),
                set: $A.getCallback(function (statusId) {
                    return vendors.set(statusId);
                })
            },
            onState: $A.getCallback(function (state, words) {
                helper.show(component, state, words);
            })
        });
        component.set('v.bridge', bridge);
        bridge.start();
    },

    stop: function (component) {
        var bridge = component.get('v.bridge');
        if (bridge) {
            bridge.leave();
        }
    },

    /** A token for the agent who is signed in; the server alone says who that is. */
    ticket: function (component) {
        return new Promise(function (resolve, reject) {
            if (!component.isValid()) {
                reject(new Error('the component is gone'));
                return;
            }
            var action = component.get('c.ticket');
            action.setCallback(component, function (response) {
                if (response.getState() === 'SUCCESS') {
                    resolve(response.getReturnValue());
                } else {
                    reject(new Error('no ticket'));
                }
            });
            // Nothing that the agent does waits for it.
            action.setBackground();
            $A.enqueueAction(action);
        });
    },

    show: function (component, state, words) {
        if (!component.isValid()) {
            return;
        }
        component.set('v.state', state);
        component.set('v.words', words);
        var label = { connected: 'Tieline', waiting: 'Tieline (other tab)' }[state] || 'Tieline (' + state + ')';
        var bar = component.find('utilityBar');
        if (!bar) {
            return;
        }
        // On a page without a utility bar there is no label to set.
        bar.getEnclosingUtilityId()
            .then($A.getCallback(function (id) {
                return id ? bar.setUtilityLabel({ utilityId: id, label: label }) : null;
            }))
            .catch(function () {});
    }
})
