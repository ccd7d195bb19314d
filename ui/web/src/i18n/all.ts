import { en } from './en'
import { enAlerts } from './en.alerts'
import { enCodes } from './en.codes'
import { enDialogs } from './en.dialogs'
import { enEdit } from './en.edit'
import { enErrors } from './en.errors'
import { enLetter } from './en.letter'
import { enOperations } from './en.operations'
import { enOverview } from './en.overview'
import { enPlaces } from './en.places'
import { enRules } from './en.rules'
import { zh } from './zh'
import { zhAlerts } from './zh.alerts'
import { zhCodes } from './zh.codes'
import { zhDialogs } from './zh.dialogs'
import { zhEdit } from './zh.edit'
import { zhErrors } from './zh.errors'
import { zhLetter } from './zh.letter'
import { zhOperations } from './zh.operations'
import { zhOverview } from './zh.overview'
import { zhPlaces } from './zh.places'
import { zhRules } from './zh.rules'

// All words together, for tests: the page loads them chapter by chapter.
export const english = {
  ...en,
  ...enAlerts,
  ...enCodes,
  ...enDialogs,
  ...enEdit,
  ...enErrors,
  ...enLetter,
  ...enOperations,
  ...enOverview,
  ...enPlaces,
  ...enRules,
}
export const chinese = {
  ...zh,
  ...zhAlerts,
  ...zhCodes,
  ...zhDialogs,
  ...zhEdit,
  ...zhErrors,
  ...zhLetter,
  ...zhOperations,
  ...zhOverview,
  ...zhPlaces,
  ...zhRules,
}
