// How Intl formats numbers and names months in some locales. TestFormatsAreThoseOfTheBrowser
// compares this with internal/server/format, and writes its table.

import { currency, dayPeriod, monthName, number, percent, time } from "../src/wire/format";

const locales = ["en", "en-GB", "en-IN", "de", "de-CH", "de-AT", "fr", "fr-CH", "es", "es-MX", "it", "pt", "pt-PT", "nl", "pl", "cs", "sv", "da", "nb", "fi", "tr", "ru", "uk", "el", "he", "ja", "zh", "ko"];
const currencies = ["EUR", "USD", "GBP", "CHF", "JPY", "SEK", "NOK", "DKK", "PLN", "CZK", "TRY", "RUB", "UAH", "ILS", "CNY", "KRW", "INR", "BRL", "MXN", "CAD", "AUD", "HUF"];
const digitKinds = ["integer", "group", "decimal", "fraction"];

const part = (parts: { type: string; value: string }[], kind: string) => parts.find(({ type }) => type === kind)?.value ?? "";

/** Returns the text around the digits: a pattern such as "€#" or "# %". */
function pattern(format: Intl.NumberFormat, value: number): string {
  const parts = format.formatToParts(value);
  const digits = parts.map(({ type }) => digitKinds.includes(type));
  const text = (some: typeof parts) => some.map(({ value }) => value).join("");
  return `${text(parts.slice(0, digits.indexOf(true)))}#${text(parts.slice(digits.lastIndexOf(true) + 1))}`;
}

function describe(locale: string): object {
  const decimals = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  const parts = decimals.formatToParts(1234567.5);
  const sizes = parts.filter(({ type }) => type === "integer").map(({ value }) => value.length);
  const percents = new Intl.NumberFormat(locale, { style: "percent" });
  const own = Object.fromEntries(currencies.map(code => {
    const format = new Intl.NumberFormat(locale, { style: "currency", currency: code });
    const { minimumFractionDigits: digits = 0 } = format.resolvedOptions();
    const large = new Intl.NumberFormat(locale, { style: "currency", currency: code, minimumFractionDigits: 1 }).formatToParts(1234567.5);
    const different = (kind: string) => (part(large, kind) === part(parts, kind) || !part(large, kind) ? {} : { [kind]: part(large, kind) });
    return [code, { plus: pattern(format, 12), minus: pattern(format, -12), digits, ...different("group"), ...different("decimal") }];
  }));
  const utc = { timeZone: "UTC" };
  const months = (kind: "long" | "short") => Array.from({ length: 12 }, (_, i) => monthName(new Date(Date.UTC(2026, i, 15)), locale, kind, utc));
  const weekdays = (weekday: "long" | "short") =>
    Array.from({ length: 7 }, (_, i) => part(new Intl.DateTimeFormat(locale, { weekday, ...utc }).formatToParts(Date.UTC(2026, 1, 1 + i)), "weekday"));
  return {
    decimal: part(parts, "decimal"),
    group: part(parts, "group"),
    sizes: [sizes.at(-1), sizes.at(-2)],
    least: part(decimals.formatToParts(1234), "group") ? 1 : 2,
    minus: pattern(decimals, -12),
    percent: pattern(percents, 0.12),
    minusPercent: pattern(percents, -0.12),
    currencies: own,
    months: months("long"),
    shortMonths: months("short"),
    weekdays: weekdays("long"),
    shortWeekdays: weekdays("short"),
    dayPeriods: [dayPeriod(9, locale), dayPeriod(21, locale)],
  };
}

interface Vector {
  locale: string;
  kind: "number" | "percent" | "currency" | "time";
  value: number;
  digits: number;
  currency: string;
  layout: string;
  zone: string;
}

Object.assign(window, {
  locales: () => Object.fromEntries(locales.map(locale => [locale, describe(locale)])),
  formatted: (vectors: Vector[]) =>
    vectors.map(({ locale, kind, value, digits, currency: code, layout, zone }) => {
      const fixed = digits < 0 ? undefined : digits;
      if (kind === "number") return number(value, fixed, locale);
      if (kind === "percent") return percent(value, fixed, locale);
      if (kind === "currency") return currency(value, code, fixed, locale);
      return time(new Date(value), layout, zone, locale);
    }),
});
