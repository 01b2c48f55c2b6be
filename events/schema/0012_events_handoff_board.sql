-- What a board shows: handoffs that wait for an answer, whatever the history has grown to.
create index handoff_unanswered on events.handoff (territory_id, acuity, due_at)
    where state in ('requested', 'delivered', 'seen', 'overdue', 'escalated');
create index handoff_answered on events.handoff (answered_at)
    where state in ('accepted', 'refused');
