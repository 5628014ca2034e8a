drop table receipt_marks;
drop table receipts;
