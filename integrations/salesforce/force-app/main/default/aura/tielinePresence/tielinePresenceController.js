({
    start: function (component, event, helper) {
        helper.start(component);
    },

    stop: function (component, event, helper) {
        helper.stop(component);
    }
})
