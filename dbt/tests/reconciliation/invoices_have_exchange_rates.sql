-- Every draft can be shown in the reporting currency of the seller, if there is one.
{{ config(severity='warn') }}
select
    invoice_id,
    case
        when exchange_rate is null
            then concat_ws('', 'no rate from ', currency_code, ' to ', reporting_currency_code)
        else concat_ws('', 'too large to be held in ', reporting_currency_code)
    end as finding
from {{ ref('fct_invoices') }}
where
    invoice_status = 'draft'
    and reporting_currency_code is not null
    and (exchange_rate is null or reporting_net_amount is null or reporting_total_amount is null)
