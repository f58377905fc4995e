-- Ids of events grow with time, so their primary key is an order by age as well.
drop index tools.outbox_by_age;
