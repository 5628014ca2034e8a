// Shows each <time data-local> in the reader's own zone and keeps UTC in the tooltip.
// data-local="clock" shows the time of day alone, unless the day differs from the UTC day it is listed under.
const dayAndClock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

for (const element of document.querySelectorAll("time[data-local]")) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.getTime())) continue;
  const sameDay = moment.getDate() === moment.getUTCDate();
  const format = element.dataset.local === "clock" && sameDay ? clock : dayAndClock;
  element.title = `${moment.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  element.textContent = format.format(moment);
}
