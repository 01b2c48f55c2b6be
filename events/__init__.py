"""Facts and their delivery: outbox, feed, subscriptions, handoffs; decides nothing clinical."""
