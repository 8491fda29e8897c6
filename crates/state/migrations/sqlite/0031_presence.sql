-- Presence sync: how each team's agents stand, in ids of their own systems alone: `agent` in the
-- contact center, `crm_agent` in the CRM. `kept` is what must outlive a restart, as JSON: statuses,
-- versions, and what is in the air.
CREATE TABLE presence_agents (
    team TEXT NOT NULL,
    agent TEXT NOT NULL,
    crm_agent TEXT NOT NULL,
    kept TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (team, agent)
);

-- What became of an agent, and why.
CREATE TABLE presence_story (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    team TEXT NOT NULL,
    agent TEXT NOT NULL,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    side TEXT,
    status TEXT,
    note TEXT
);
CREATE INDEX presence_story_agent ON presence_story (team, agent, id);
CREATE INDEX presence_story_at ON presence_story (at);

-- Who is left alone because somebody wants it so; agent '': the whole team.
CREATE TABLE presence_pauses (
    team TEXT NOT NULL,
    agent TEXT NOT NULL,
    paused_by TEXT NOT NULL,
    paused_at INTEGER NOT NULL,
    PRIMARY KEY (team, agent)
);

-- Over all nodes one holds a team: which, and until when unless it says so again.
CREATE TABLE presence_holds (
    team TEXT NOT NULL PRIMARY KEY,
    holder INTEGER NOT NULL,
    held_until INTEGER NOT NULL
);
