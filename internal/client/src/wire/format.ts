// Numbers and times as the server writes them. internal/server/format has the same in Go.

/** Writes a number with a fixed number of digits after the decimal point, or with as many as it needs, at most three. */
export function number(value: number, digits?: number, locale = pageLocale()): string {
  return new Intl.NumberFormat(locale, fixed(digits)).format(value);
}

/** Writes a ratio as a percentage: 0.5 is 50%. */
export function percent(value: number, digits?: number, locale = pageLocale()): string {
  return new Intl.NumberFormat(locale, { style: "percent", ...fixed(digits) }).format(value);
}

/** Writes an amount of money. The currency is an ISO 4217 code. */
export function currency(value: number, currency: string, digits?: number, locale = pageLocale()): string {
  return new Intl.NumberFormat(locale, { style: "currency", currency, ...fixed(digits) }).format(value);
}

/** Writes a time by a layout of Go, "2 January 2006, 15:04", in a time zone: by default, the browser's. */
export function time(value: Date | string, layout = "2 January 2006, 15:04", zone?: string, locale = pageLocale()): string {
  const at = new Date(value);
  if (Number.isNaN(at.getTime())) return "";
  const timeZone = zone ? { timeZone: zone } : {};
  return layout.replace(tokens, token => write(at, token, locale, timeZone));
}

/** The IANA name of the time zone of this device. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The locale of the page: the lang of its root element. */
function pageLocale(): string {
  return globalThis.document?.documentElement.lang || "en";
}

function fixed(digits: number | undefined): Intl.NumberFormatOptions {
  return digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits };
}

const tokens = /January|Jan|Monday|Mon|MST|2006|Z07:00|-07:00|-0700|0[1-6]|_2|15|PM|pm|[1-5]/g;

function write(at: Date, token: string, locale: string, zone: Intl.DateTimeFormatOptions): string {
  const numeric = new Intl.DateTimeFormat("en-US-u-ca-gregory-nu-latn", {
    year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23", ...zone,
  });
  const parts = Object.fromEntries(numeric.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const two = (n: number | undefined) => String(n).padStart(2, "0");
  const { year, month, day, hour = 0, minute, second } = parts;
  const noon = hour % 12 || 12;
  switch (token) {
    case "2006": return String(year).padStart(4, "0");
    case "06": return String(year).slice(-2).padStart(2, "0");
    case "01": return two(month);
    case "1": return String(month);
    case "02": return two(day);
    case "_2": return String(day).padStart(2, " ");
    case "2": return String(day);
    case "15": return two(hour);
    case "03": return two(noon);
    case "3": return String(noon);
    case "04": return two(minute);
    case "4": return String(minute);
    case "05": return two(second);
    case "5": return String(second);
    case "January": return monthName(at, locale, "long", zone);
    case "Jan": return monthName(at, locale, "short", zone);
    case "Monday": return named(at, locale, { weekday: "long", ...zone }, "weekday");
    case "Mon": return named(at, locale, { weekday: "short", ...zone }, "weekday");
    case "PM": return dayPeriod(hour, locale);
    case "pm": return dayPeriod(hour, locale).toLowerCase();
    case "MST": return named(at, locale, { timeZoneName: "short", ...zone }, "timeZoneName");
    default: return offset(at, parts as Record<string, number>, token);
  }
}

/** Returns the name of a month as it stands beside a day: some languages inflect it. */
export function monthName(at: Date, locale: string, month: "long" | "short", zone: Intl.DateTimeFormatOptions): string {
  const beside = named(at, locale, { day: "numeric", month, ...zone }, "month");
  return /^\d+$/.test(beside) ? new Intl.DateTimeFormat(locale, { month, ...zone }).format(at) : beside;
}

export function dayPeriod(hour: number, locale: string): string {
  const at = new Date(Date.UTC(2026, 0, 1, hour < 12 ? 9 : 21));
  return named(at, locale, { hour: "numeric", hourCycle: "h12", timeZone: "UTC" }, "dayPeriod");
}

function named(at: Date, locale: string, options: Intl.DateTimeFormatOptions, kind: string): string {
  return new Intl.DateTimeFormat(locale, options).formatToParts(at).find(({ type }) => type === kind)?.value ?? "";
}

function offset(at: Date, { year = 0, month = 1, day, hour, minute, second }: Record<string, number>, token: string): string {
  const shown = new Date(0);
  shown.setUTCFullYear(year, month - 1, day);
  shown.setUTCHours(hour ?? 0, minute ?? 0, second ?? 0);
  const minutes = Math.round((shown.getTime() - Math.floor(at.getTime() / 1000) * 1000) / 60_000);
  if (token === "Z07:00" && minutes === 0) return "Z";
  const two = (n: number) => String(Math.trunc(n)).padStart(2, "0");
  const colon = token === "-0700" ? "" : ":";
  return `${minutes < 0 ? "-" : "+"}${two(Math.abs(minutes) / 60)}${colon}${two(Math.abs(minutes) % 60)}`;
}
