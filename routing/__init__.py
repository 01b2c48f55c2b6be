"""From a disposition to a place: offers, holds, appointments, referrals, the waiting list."""
