drop table supply_counts;
drop table supply_figures;
drop table figure_marks;
drop table daily_figures;
